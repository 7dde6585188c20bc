#include "mail/headers.h"

#include <string.h>
#include <sys/random.h>

/* All fields of one name, top to bottom. */
struct name_entry {
    slice name;
    const struct header_field **fields;
    size_t n, cap;
};

struct header_list {
    struct arena *a;
    struct header_limits limits;
    const struct header_field **fields; /* pointers, so that a field stays where it is as the list grows */
    size_t n, cap, bytes;
    struct name_entry **table; /* open addressing; size is a power of two, at most half full */
    size_t table_size, table_used;
    uint64_t seed;
};

#define TABLE_FIRST_SIZE 64

struct header_list *
header_list_new(struct arena *a, const struct header_limits *limits)
{
    struct header_list *l = arena_zalloc(a, sizeof(*l));
    if (l == NULL)
        return NULL;
    l->a = a;
    l->limits = *limits;
    if (getrandom(&l->seed, sizeof(l->seed), 0) != (ssize_t)sizeof(l->seed))
        l->seed = (uintptr_t)l;
    l->table_size = TABLE_FIRST_SIZE;
    l->table = arena_array(a, l->table_size, sizeof(struct name_entry *));
    return l->table == NULL ? NULL : l;
}

/* One more place in an array of the arena; the old array is left behind, in all no more than the new one holds. */
static bool
make_room(struct arena *a, const struct header_field ***array, size_t n, size_t *cap)
{
    if (n < *cap)
        return true;
    size_t cap_new = *cap == 0 ? 4 : *cap * 2;
    const struct header_field **p = arena_array(a, cap_new, sizeof(struct header_field *));
    if (p == NULL)
        return false;
    if (n > 0)
        memcpy(p, *array, n * sizeof(struct header_field *));
    *array = p;
    *cap = cap_new;
    return true;
}

uint64_t
header_list_seed(const struct header_list *l)
{
    return l->seed;
}

static struct name_entry **
find_place(struct name_entry **table, size_t size, uint64_t seed, slice name)
{
    size_t i = (size_t)slice_hash(name, seed) & (size - 1);
    while (table[i] != NULL && !slice_ieq(table[i]->name, name))
        i = (i + 1) & (size - 1);
    return &table[i];
}

static bool
grow_table(struct header_list *l)
{
    size_t size = l->table_size * 2;
    struct name_entry **table = arena_array(l->a, size, sizeof(struct name_entry *));
    if (table == NULL)
        return false;
    for (size_t i = 0; i < l->table_size; i++)
        if (l->table[i] != NULL)
            *find_place(table, size, l->seed, l->table[i]->name) = l->table[i];
    l->table = table;
    l->table_size = size;
    return true;
}

static struct name_entry *
find_or_add_name(struct header_list *l, slice name)
{
    struct name_entry **place = find_place(l->table, l->table_size, l->seed, name);
    if (*place != NULL)
        return *place;
    if (l->table_used >= l->table_size / 2) {
        if (!grow_table(l))
            return NULL;
        place = find_place(l->table, l->table_size, l->seed, name);
    }
    struct name_entry *e = arena_zalloc(l->a, sizeof(*e));
    if (e == NULL)
        return NULL;
    e->name = name;
    *place = e;
    l->table_used++;
    return e;
}

/* Index of the next LF from `from` on that folds without a CR before it, or s.n. */
static size_t
next_bare_fold(slice s, size_t from)
{
    for (size_t i = from; i < s.n; i++) {
        i += slice_find(slice_tail(s, i), '\n');
        if (i + 1 < s.n && ascii_is_wsp(s.p[i + 1]) && (i == 0 || s.p[i - 1] != '\r'))
            return i;
    }
    return s.n;
}

static char *
append(char *to, slice s)
{
    if (s.n > 0)
        memcpy(to, s.p, s.n);
    return to + s.n;
}

/* "name:value" with whole folds. */
static slice
make_raw(struct arena *a, slice name, slice value)
{
    size_t folds = 0;
    for (size_t i = next_bare_fold(value, 0); i < value.n; i = next_bare_fold(value, i + 1))
        folds++;
    size_t n = name.n + 1 + value.n + folds, done = 0;
    char *p = arena_alloc(a, n + 1), *to = p;
    if (p == NULL)
        return (slice){ NULL, 0 };
    to = append(to, name);
    *to++ = ':';
    for (size_t lf = next_bare_fold(value, 0); folds-- > 0; lf = next_bare_fold(value, lf + 1)) {
        to = append(to, (slice){ value.p + done, lf - done });
        *to++ = '\r';
        done = lf;
    }
    to = append(to, slice_tail(value, done));
    *to = '\0';
    return (slice){ p, n };
}

enum status
header_list_add(struct header_list *l, slice name, slice value)
{
    size_t room = l->limits.max_bytes == 0 ? SIZE_MAX : l->limits.max_bytes - l->bytes;
    if (l->limits.max_fields != 0 && l->n >= l->limits.max_fields)
        return ST_LIMIT;
    if (name.n >= room || value.n >= room - name.n)
        return ST_LIMIT;
    struct header_field *f = arena_zalloc(l->a, sizeof(*f));
    if (f == NULL)
        return ST_NOMEM;
    f->raw = make_raw(l->a, name, value);
    if (f->raw.p == NULL)
        return ST_NOMEM;
    if (f->raw.n > room) /* by the CRs added */
        return ST_LIMIT;
    f->name = slice_head(f->raw, name.n);
    while (f->name.n > 0 && ascii_is_wsp(f->name.p[f->name.n - 1]))
        f->name.n--;
    f->value = (slice){ f->raw.p + name.n + 1, f->raw.n - name.n - 1 };
    struct name_entry *e = find_or_add_name(l, f->name);
    if (e == NULL || !make_room(l->a, &l->fields, l->n, &l->cap) || !make_room(l->a, &e->fields, e->n, &e->cap))
        return ST_NOMEM;
    l->fields[l->n++] = f;
    e->fields[e->n++] = f;
    f->nth = (unsigned)e->n;
    l->bytes += f->raw.n;
    return ST_OK;
}

size_t
header_list_count(const struct header_list *l)
{
    return l->n;
}

const struct header_field *
header_list_at(const struct header_list *l, size_t i)
{
    return i < l->n ? l->fields[i] : NULL;
}

static const struct name_entry *
find_name(const struct header_list *l, slice name)
{
    return *find_place(l->table, l->table_size, l->seed, name);
}

size_t
header_list_count_name(const struct header_list *l, slice name)
{
    const struct name_entry *e = find_name(l, name);
    return e == NULL ? 0 : e->n;
}

const struct header_field *
header_list_find(const struct header_list *l, slice name, unsigned nth)
{
    const struct name_entry *e = find_name(l, name);
    return e == NULL || nth == 0 || nth > e->n ? NULL : e->fields[nth - 1];
}

/* Octets of the line end at `i` that is part of a fold; 0: none. */
static size_t
fold_length(slice s, size_t i)
{
    size_t n = s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n' ? 2 : s.p[i] == '\n';
    return n > 0 && i + n < s.n && ascii_is_wsp(s.p[i + n]) ? n : 0;
}

slice
header_unfold(struct arena *a, slice value)
{
    value = slice_trim(value);
    char *p = arena_alloc(a, value.n + 1);
    size_t n = 0;
    if (p == NULL)
        return (slice){ NULL, 0 };
    for (size_t i = 0; i < value.n;) {
        size_t skip = fold_length(value, i);
        if (skip == 0)
            p[n++] = value.p[i++];
        i += skip;
    }
    p[n] = '\0';
    return (slice){ p, n };
}
