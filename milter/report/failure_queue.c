#include "report/queue.h"

enum status
failure_queue_send(struct outbox *o)
{
    (void)o;
    return ST_OK;
}
