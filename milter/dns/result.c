#include "dns/backend.h"

#include <stdlib.h>
#include <string.h>

#define RECORDS_FIRST 8
#define DATA_FIRST    512

struct dns_result *
dns_result_hold(struct dns_result *r)
{
    if (!r->immortal)
        atomic_fetch_add_explicit(&r->references, 1, memory_order_relaxed);
    return r;
}

void
dns_result_drop(struct dns_result *r)
{
    if (r == NULL || r->immortal)
        return;
    if (atomic_fetch_sub_explicit(&r->references, 1, memory_order_acq_rel) == 1)
        free(r);
}

struct dns_result *
dns_result_static(enum dns_status status)
{
    static struct dns_result results[] = {
        /* never written: `immortal` keeps the counting away */
        [DNS_OK] = { .immortal = true, .status = DNS_SERVFAIL },
        [DNS_NODATA] = { .immortal = true, .status = DNS_NODATA },
        [DNS_NXDOMAIN] = { .immortal = true, .status = DNS_NXDOMAIN },
        [DNS_SERVFAIL] = { .immortal = true, .status = DNS_SERVFAIL },
        [DNS_TIMEOUT] = { .immortal = true, .status = DNS_TIMEOUT },
        [DNS_BADNAME] = { .immortal = true, .status = DNS_BADNAME },
        [DNS_BUDGET] = { .immortal = true, .status = DNS_BUDGET },
    };
    return &results[status];
}

void
result_builder_init(struct result_builder *b)
{
    *b = (struct result_builder){ 0 };
}

void
result_builder_clear(struct result_builder *b)
{
    free(b->records);
    free(b->offsets);
    free(b->data);
    result_builder_init(b);
}

static bool
grow_records(struct result_builder *b)
{
    size_t cap = b->cap == 0 ? RECORDS_FIRST : b->cap * 2;
    struct dns_record *records = realloc(b->records, cap * sizeof(*records));
    if (records == NULL)
        return false;
    b->records = records;
    size_t *offsets = realloc(b->offsets, cap * sizeof(*offsets));
    if (offsets == NULL)
        return false;
    b->offsets = offsets;
    b->cap = cap;
    return true;
}

static bool
grow_data(struct result_builder *b, size_t more)
{
    size_t cap = b->data_cap == 0 ? DATA_FIRST : b->data_cap;
    while (cap - b->data_n < more) {
        if (cap > SIZE_MAX / 2)
            return false;
        cap *= 2;
    }
    if (cap == b->data_cap)
        return true;
    char *data = realloc(b->data, cap);
    if (data == NULL)
        return false;
    b->data = data;
    b->data_cap = cap;
    return true;
}

void
result_builder_append(struct result_builder *b, slice data)
{
    if (b->failed || data.n == 0)
        return;
    if (!grow_data(b, data.n)) {
        b->failed = true;
        return;
    }
    memcpy(b->data + b->data_n, data.p, data.n);
    b->data_n += data.n;
    b->records[b->n - 1].data.n += data.n;
}

struct dns_record *
result_builder_add(struct result_builder *b, slice data)
{
    if (!b->failed && b->n == b->cap && !grow_records(b))
        b->failed = true;
    if (b->failed)
        return NULL;
    struct dns_record *r = &b->records[b->n];
    *r = (struct dns_record){ .data = SLICE_EMPTY };
    b->offsets[b->n++] = b->data_n;
    result_builder_append(b, data);
    return b->failed ? NULL : r;
}

struct dns_result *
result_builder_finish(struct result_builder *b, enum dns_status status, uint32_t ttl,
                      bool authenticated, uint64_t now_ms)
{
    struct dns_result *r = NULL;
    size_t records_bytes = b->n * sizeof(struct dns_record);
    if (!b->failed)
        r = malloc(sizeof(*r) + records_bytes + b->data_n);
    if (r == NULL) {
        result_builder_clear(b);
        return dns_result_static(DNS_SERVFAIL);
    }
    struct dns_record *records = (struct dns_record *)(void *)(r + 1);
    char *data = (char *)(records + b->n);
    for (size_t i = 0; i < b->n; i++) {
        records[i] = b->records[i];
        if (records[i].data.n > 0)
            records[i].data.p = data + b->offsets[i];
    }
    if (b->data_n > 0)
        memcpy(data, b->data, b->data_n);
    r->immortal = false;
    r->authenticated = authenticated;
    r->status = status;
    r->ttl = ttl;
    r->born_ms = now_ms;
    r->bytes = sizeof(*r) + records_bytes + b->data_n;
    r->n = b->n;
    r->records = records;
    atomic_init(&r->references, 1);
    result_builder_clear(b);
    return r;
}
