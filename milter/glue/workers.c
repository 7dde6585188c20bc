/*
 * workers.c - libmilter ends a worker when two others are idle, and makes one when none is.  Under load a thread is made for
 * one message in four, and its stack, its heap and what the libraries keep for it cost an eighth of all processor time.  So
 * a thread whose work for libmilter has ended waits here, and is what libmilter gets when it wants the next one.
 *
 * As with accept() in listener.c, libmilter's pthread_create() and pthread_detach() are bound to those below; other threads
 * are made as ever.
 */
#include "autoconf.h"

#include <dlfcn.h>
#include <libmilter/mfapi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__)
#define LEAVE_TO_SANITIZER /* it has its own pthread_create(), and needs it */
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define LEAVE_TO_SANITIZER
#endif
#endif

#ifndef LEAVE_TO_SANITIZER

#define WAITING_MAX 16u /* threads; more than that end */

struct worker {
    struct worker *next;
    pthread_t id;
    pthread_cond_t called;
    void *(*routine)(void *); /* NULL: none yet */
    void *arg;
};

static struct {
    pthread_mutex_t lock;
    struct worker *waiting; /* the one that came last first: its memory is the warmest */
    unsigned n;
} workers = { .lock = PTHREAD_MUTEX_INITIALIZER };

static _Thread_local bool detached; /* by the first of its routines; each detaches itself */

static bool
wait_for_routine(struct worker *w)
{
    pthread_mutex_lock(&workers.lock);
    bool stays = workers.n < WAITING_MAX;
    if (stays) {
        w->routine = NULL;
        w->next = workers.waiting;
        workers.waiting = w;
        workers.n++;
        while (w->routine == NULL)
            pthread_cond_wait(&w->called, &workers.lock);
    }
    pthread_mutex_unlock(&workers.lock);
    return stays;
}

static void *
work(void *made_by)
{
    struct worker w = *(struct worker *)made_by;
    free(made_by);
    w.id = pthread_self();
    w.called = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    do
        (void)w.routine(w.arg); /* NULL: nobody joins libmilter's threads */
    while (wait_for_routine(&w));
    return NULL;
}

static bool
give_to_waiting(pthread_t *id, void *(*routine)(void *), void *arg)
{
    pthread_mutex_lock(&workers.lock);
    struct worker *w = workers.waiting;
    if (w != NULL) {
        workers.waiting = w->next;
        workers.n--;
        *id = w->id;
        w->routine = routine;
        w->arg = arg;
        pthread_cond_signal(&w->called);
    }
    pthread_mutex_unlock(&workers.lock);
    return w != NULL;
}

/* The function that a name is bound to behind this program. */
static void
find_next(const char *name, void *function, size_t size)
{
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(function, &found, size);
}

static const void *
base_of(uintptr_t function)
{
    Dl_info info;
    return dladdr((const void *)function, &info) != 0 ? info.dli_fbase : NULL;
}

/* Where libmilter is linked into the program, its threads cannot be told from our own, which are joined: none is kept. */
static bool
is_libmilters(void *(*routine)(void *))
{
    static _Atomic uintptr_t seen; /* the one found last to be: that of its workers, but for the first few */
    if (atomic_load(&seen) == (uintptr_t)routine)
        return true;
    const void *library = base_of((uintptr_t)smfi_main);
    if (library == NULL || library == base_of((uintptr_t)work) || library != base_of((uintptr_t)routine))
        return false;
    atomic_store(&seen, (uintptr_t)routine);
    return true;
}

int
pthread_create(pthread_t *restrict id, const pthread_attr_t *restrict attributes, void *(*routine)(void *), void *restrict arg)
{
    bool kept = attributes == NULL && is_libmilters(routine);
    if (kept && give_to_waiting(id, routine, arg))
        return 0;
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    find_next("pthread_create", &create, sizeof(create));
    struct worker *w = kept ? malloc(sizeof(*w)) : NULL;
    if (w == NULL)
        return create(id, attributes, routine, arg);
    *w = (struct worker){ .routine = routine, .arg = arg };
    int rc = create(id, NULL, work, w);
    if (rc != 0)
        free(w);
    return rc;
}

int
pthread_detach(pthread_t id)
{
    bool own = pthread_equal(id, pthread_self()) != 0;
    if (own && detached)
        return 0;
    int (*detach)(pthread_t);
    find_next("pthread_detach", &detach, sizeof(detach));
    detached = detached || own;
    return detach(id);
}

#endif
