#include "autoconf.h"

#include "glue/reload.h"
#include "glue/packets.h"
#include "glue/service.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#define TURN_S 5 /* silent connections are looked for that often */

/* One daemon, one such thread; written by the main thread alone. */
static struct {
    bool running;
    atomic_bool stop;
    unsigned idle_s;
    pthread_t thread;
} reload;

void
reload_block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void *
wait_for_signals(void *arg)
{
    struct service *s = arg;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    while (!atomic_load(&reload.stop)) {
        const struct timespec turn = { .tv_sec = TURN_S };
        if (sigtimedwait(&set, NULL, &turn) == SIGUSR1 && !atomic_load(&reload.stop))
            (void)service_reload(s);
        (void)packets_reap(reload.idle_s);
    }
    return NULL;
}

bool
reload_start(struct service *s, unsigned idle_s)
{
    reload.idle_s = idle_s;
    atomic_store(&reload.stop, false);
    reload.running = pthread_create(&reload.thread, NULL, wait_for_signals, s) == 0;
    return reload.running;
}

void
reload_request(void)
{
    if (reload.running)
        (void)pthread_kill(reload.thread, SIGUSR1);
}

void
reload_stop(void)
{
    if (!reload.running)
        return;
    atomic_store(&reload.stop, true);
    (void)pthread_kill(reload.thread, SIGUSR1);
    (void)pthread_join(reload.thread, NULL);
    reload.running = false;
}
