#include "autoconf.h"

#include "crypto/signer.h"

#include <stdlib.h>
#include <string.h>

struct local_key {
    char *id;
    struct private_key *key;
};

struct local_signer {
    struct signer signer;
    size_t n;
    struct local_key keys[];
};

static char *
copy(slice s)
{
    char *p = malloc(s.n + 1);
    if (p == NULL)
        return NULL;
    memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

enum status
signer_keys_add(struct signer_keys *l, slice id, slice path)
{
    for (size_t i = 0; i < l->n; i++)
        if (slice_eq(slice_from(l->keys[i].id), id))
            return ST_OK;
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 8 : l->cap * 2;
        struct signer_key *p = reallocarray(l->keys, cap, sizeof(*p));
        if (p == NULL)
            return ST_NOMEM;
        l->keys = p;
        l->cap = cap;
    }
    struct signer_key k = { copy(id), copy(path) };
    if (k.id == NULL || k.path == NULL) {
        free(k.id);
        free(k.path);
        return ST_NOMEM;
    }
    l->keys[l->n++] = k;
    return ST_OK;
}

void
signer_keys_clear(struct signer_keys *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->keys[i].id);
        free(l->keys[i].path);
    }
    free(l->keys);
    *l = (struct signer_keys){ 0 };
}

static const struct private_key *
local_key(const struct local_signer *l, slice id)
{
    for (size_t i = 0; i < l->n; i++)
        if (slice_eq(slice_from(l->keys[i].id), id))
            return l->keys[i].key;
    return NULL;
}

static bool
local_find(struct signer *s, slice key, enum sign_algorithm *algorithm)
{
    const struct private_key *k = local_key((const struct local_signer *)s, key);
    if (k != NULL)
        *algorithm = private_key_algorithm(k);
    return k != NULL;
}

static enum status
local_sign(struct signer *s, slice key, enum sign_algorithm algorithm, const unsigned char digest[DIGEST_SIZE],
           struct signature *out)
{
    const struct private_key *k = local_key((const struct local_signer *)s, key);
    if (k == NULL || private_key_algorithm(k) != algorithm)
        return ST_SYNTAX;
    return private_key_sign(k, digest, out);
}

static void
local_free(struct signer *s)
{
    struct local_signer *l = (struct local_signer *)s;
    for (size_t i = 0; i < l->n; i++) {
        free(l->keys[i].id);
        private_key_free(l->keys[i].key);
    }
    free(l);
}

struct signer *
signer_local_new(const struct signer_keys *list, bool loose_mode, struct strbuf *errors)
{
    static const struct signer_ops ops = { local_find, local_sign, local_free };
    struct local_signer *l = calloc(1, sizeof(*l) + list->n * sizeof(l->keys[0]));
    if (l == NULL)
        return NULL;
    l->signer.ops = &ops;
    for (size_t i = 0; i < list->n; i++) {
        struct strbuf why;
        strbuf_init(&why, 0);
        struct private_key *key = private_key_load(list->keys[i].path, loose_mode, &why);
        char *id = key == NULL ? NULL : copy(slice_from(list->keys[i].id));
        if (id != NULL) {
            l->keys[l->n++] = (struct local_key){ id, key };
        } else {
            private_key_free(key);
            strbuf_printf(errors, "%s: %s\n", list->keys[i].path, key == NULL ? strbuf_str(&why) : "out of memory");
        }
        strbuf_clear(&why);
    }
    return &l->signer;
}
