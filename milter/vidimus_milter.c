/*
 * vidimus_milter.c - the daemon: options, and the order in which it comes up and goes down; no mail logic.
 *
 * Up: configuration, background, socket and pid file (as root), key holder (as root), privileges away, sandbox, and only
 * then threads, DNS and the first octet from outside.  Down: libmilter stops accepting, verdicts in the making are given.
 */
#include "autoconf.h"

#include "base/clock.h"
#include "crypto/keyholder.h"
#include "glue/background.h"
#include "glue/callbacks.h"
#include "glue/listener.h"
#include "glue/metrics.h"
#include "glue/packets.h"
#include "glue/pidfile.h"
#include "glue/privileges.h"
#include "glue/reload.h"
#include "glue/sandbox.h"
#include "glue/service.h"
#include "pipeline/seal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define FINISH_MS 9000 /* verdicts in the making get that long after the signal */
#define OVERRIDES_MAX 200
#define NOBODY 65534 /* the key holder's user where the daemon stays root */
#define DESCRIPTORS_MAX 131072 /* connections beyond are not used, however many files may be open */

struct options {
    const char *file;
    const char *overrides[OVERRIDES_MAX];
    char *made[3]; /* those of -p, -P, -u */
    char *absolute; /* the file of -c, where it was given by a relative path */
    size_t n_overrides, n_made;
    bool foreground, check, verbose;
};

static void
usage(FILE *to)
{
    fputs("usage: vidimus-milter [-c FILE] [-f] [-n] [-o NAME=VALUE]... [-p SOCKET] [-P PIDFILE] [-u USER[:GROUP]] [-v] [-V]\n"
          "  -c FILE        configuration (" SYSCONFDIR "/vidimus/vidimus.conf)\n"
          "  -f             stay in the foreground\n"
          "  -n             check the configuration, and what it names; say all that is wrong\n"
          "  -o NAME=VALUE  override an option of the file\n"
          "  -p, -P, -u     override Socket, PidFile, UserID\n"
          "  -v             log as with LogLevel debug\n"
          "  -V             version\n",
          to);
}

static bool
add_override(struct options *o, const char *name, const char *value)
{
    if (o->n_overrides == OVERRIDES_MAX)
        return false;
    if (name == NULL) {
        o->overrides[o->n_overrides++] = value;
        return true;
    }
    size_t n = strlen(name) + strlen(value) + 2;
    char *text = o->n_made < sizeof(o->made) / sizeof(o->made[0]) ? malloc(n) : NULL;
    if (text == NULL)
        return false;
    snprintf(text, n, "%s=%s", name, value);
    o->made[o->n_made++] = text;
    o->overrides[o->n_overrides++] = text;
    return true;
}

/* EX_OK: go on; -1: all is done; else the exit status. */
static int
read_options(int argc, char **argv, struct options *o)
{
    const char *installed = SYSCONFDIR "/vidimus/vidimus.conf";
    if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "--help") == 0))
        argv[1][1] = argv[1][2] == 'v' ? 'V' : 'h', argv[1][2] = '\0';
    bool good = true;
    for (int c; good && (c = getopt(argc, argv, "c:fhno:p:P:u:vV")) != -1;) {
        switch (c) {
        case 'c':
            o->file = optarg;
            break;
        case 'f':
            o->foreground = true;
            break;
        case 'n':
            o->check = true;
            break;
        case 'o':
            good = add_override(o, NULL, optarg);
            break;
        case 'p':
            good = add_override(o, "Socket", optarg);
            break;
        case 'P':
            good = add_override(o, "PidFile", optarg);
            break;
        case 'u':
            good = add_override(o, "UserID", optarg);
            break;
        case 'v':
            o->verbose = true;
            break;
        case 'V':
            puts("vidimus-milter " PACKAGE_VERSION);
            return -1;
        case 'h':
            usage(stdout);
            return -1;
        default:
            good = false;
        }
    }
    if (!good || optind < argc) {
        usage(stderr);
        return EX_USAGE;
    }
    if (o->file == NULL)
        o->file = installed;
    return EX_OK;
}

static int
complain(struct strbuf *errors, int status)
{
    fputs(strbuf_str(errors), stderr);
    return status;
}

/* Room for that many connections, as far as the system gives it. */
static unsigned
connections_possible(const struct config *c)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return c->maximum_connections;
    rlim_t most = r.rlim_max < DESCRIPTORS_MAX ? r.rlim_max : DESCRIPTORS_MAX;
    if (r.rlim_cur < most) {
        r.rlim_cur = most;
        (void)setrlimit(RLIMIT_NOFILE, &r);
        (void)getrlimit(RLIMIT_NOFILE, &r);
    }
    (void)packets_watch_up_to(r.rlim_cur < DESCRIPTORS_MAX ? (size_t)r.rlim_cur : DESCRIPTORS_MAX);
    rlim_t reserve = r.rlim_cur < 256 ? r.rlim_cur / 2 : 128; /* for DNS, the spool, the log, lists */
    rlim_t room = r.rlim_cur - reserve;
    return room < c->maximum_connections ? (unsigned)room : c->maximum_connections;
}

static void
say_started(struct service *s, const struct config *c, unsigned connections)
{
    struct generation *g = service_acquire(s);
    if (!log_connected(g->log))
        fputs("vidimus-milter: note: there is no system log at /dev/log, and nothing is logged until there is; "
              "Syslog no logs to standard error\n", stderr);
    if (connections < c->maximum_connections) {
        char text[24];
        snprintf(text, sizeof(text), "%u", connections);
        log_event(g->log, LOG_LEVEL_WARNING, SLICE_EMPTY, "event", "start", "warning",
                  "the limit of open files does not allow MaximumConnections", "connections", text, (char *)NULL);
    }
    log_event(g->log, LOG_LEVEL_INFO, SLICE_EMPTY, "event", "start", "version", PACKAGE_VERSION, "socket", c->socket, "authserv-id",
              c->authserv_id, (char *)NULL);
    generation_release(g);
}

/* Commands that are being worked on end; then the answer needs a moment on its way.  True: no connection is left. */
static bool
finish(struct service *s)
{
    struct counters *n = service_counters(s);
    uint64_t until = listener_stopped_at_ms() + FINISH_MS;
    while (atomic_load(&n->finishing) > 0 && clock_mono_ms() < until)
        (void)poll(NULL, 0, 20);
    (void)poll(NULL, 0, 100);
    struct generation *g = service_acquire(s);
    struct log_line *line = log_begin(g->log, LOG_LEVEL_INFO, SLICE_EMPTY);
    log_field(line, "event", SLICE("stop"));
    log_field_u64(line, "messages", atomic_load(&n->messages));
    log_field_u64(line, "connections", atomic_load(&n->connections_total));
    log_field_u64(line, "unfinished", atomic_load(&n->finishing));
    log_field_u64(line, "log-lines-lost", log_dropped(g->log));
    log_end(line);
    generation_release(g);
    listener_log_to(NULL);
    service_stop(s);
    return atomic_load(&n->connections) == 0;
}

/* A start that fails late leaves nothing behind either. */
static int
not_served(struct service *s, const struct config *c, struct pidfile *pid, struct strbuf *errors, int status)
{
    service_free(s);
    listener_close(c);
    pidfile_remove(pid);
    return complain(errors, status);
}

/* With everything open and every right given up. */
static int
serve(const struct options *o, struct config *c, struct keyholder_launcher *launcher, struct background *b, struct pidfile *pid,
      struct strbuf *errors)
{
    struct service_setup setup = {
        .config_file = o->file,
        .overrides = o->overrides,
        .n_overrides = o->n_overrides,
        .verbose = o->verbose,
        .launcher = launcher,
    };
    unsigned connections = connections_possible(c);
    struct service *s = service_new(&setup, config_acquire(c), errors);
    if (s == NULL)
        return not_served(NULL, c, pid, errors, EX_CONFIG);
    fputs(strbuf_str(errors), stderr); /* what it can do without */
    strbuf_clear(errors);
    listener_limit(connections, service_counters(s));
    /* while we make up our mind the MTA has nothing to say */
    if (!reload_start(s, c->idle_timeout_s + 2 * c->message_timeout_ms / 1000)) {
        strbuf_add_str(errors, "vidimus-milter: cannot start a thread\n");
        return not_served(s, c, pid, errors, EX_OSERR);
    }
    struct metrics *metrics = NULL;
    if (c->metrics_listen != NULL && (metrics = metrics_start(s, c, errors)) == NULL) {
        reload_stop();
        return not_served(s, c, pid, errors, EX_UNAVAILABLE);
    }
    say_started(s, c, connections);
    listener_log_to(s);
    background_ready(b, !c->syslog);
    bool served = callbacks_serve(s);
    /* a stop closes the listening socket, which libmilter may take for a failure of its own */
    int rc = served || listener_stopped_at_ms() != 0 ? EX_OK : EX_SOFTWARE;
    reload_stop();
    metrics_stop(metrics);
    bool idle = finish(s);
    listener_close(c);
    pidfile_remove(pid);
    if (!idle)
        _exit(rc); /* libmilter's threads may still be in the middle of something */
    service_free(s);
    return rc;
}

/* While we are root and have no threads.  False: there is to be one, and cannot. */
static bool
start_launcher(const struct options *o, const struct config *c, const struct identity *who, struct keyholder_launcher **out,
               struct strbuf *errors)
{
    struct seal_source source = { .file = o->file, .overrides = o->overrides, .n_overrides = o->n_overrides };
    const struct keyholder_setup setup = { .list = seal_source_list,
                                           .arg = &source,
                                           .uid = who->change ? who->uid : NOBODY,
                                           .gid = who->change ? who->gid : NOBODY };
    *out = c->arc_seal ? keyholder_launch(&setup) : NULL;
    if (*out != NULL || !c->arc_seal)
        return true;
    strbuf_printf(errors, "the key holder cannot be started: %s\n", strerror(errno));
    return false;
}

static int
start(const struct options *o, struct config *c, struct strbuf *errors)
{
    struct identity who;
    struct background b;
    struct pidfile pid;
    if (!privileges_find(c, &who, errors))
        return complain(errors, EX_NOUSER);
    if (!background_enter(&b, o->foreground)) {
        perror("vidimus-milter: into the background");
        return EX_OSERR;
    }
    reload_block_signals();
    umask((mode_t)c->umask);
    if (!pidfile_write(&pid, c, errors))
        return complain(errors, EX_CANTCREAT);
    int rc = EX_UNAVAILABLE;
    if (callbacks_register() && listener_open(c, who.change ? who.uid : (uid_t)-1, who.gid, errors)) {
        struct keyholder_launcher *launcher = NULL;
        rc = EX_NOPERM;
        if (start_launcher(o, c, &who, &launcher, errors) && privileges_drop(&who, errors) &&
            (!c->sandbox || sandbox_enter(errors))) {
            rc = serve(o, c, launcher, &b, &pid, errors);
            keyholder_launcher_free(launcher);
            return rc;
        }
        keyholder_launcher_free(launcher);
        listener_close(c);
    }
    pidfile_remove(&pid);
    return complain(errors, rc);
}

/* The first time the configuration is read by root, on every reload by the user of UserID. */
static void
check_reload(const struct options *o, const struct identity *who, struct strbuf *errors)
{
    struct config *again = NULL;
    size_t before = errors->n;
    if (!who->change)
        return;
    (void)config_load(o->file, o->overrides, o->n_overrides, errors, &again);
    config_release(again);
    if (errors->n > before)
        strbuf_printf(errors, "vidimus-milter: a reload reads these files as user %s\n", who->name);
}

static int
check(const struct options *o, struct config *c, struct strbuf *errors)
{
    struct identity who;
    bool known = privileges_find(c, &who, errors);
    (void)service_check(c, known ? &who : NULL, errors);
    if (known)
        check_reload(o, &who, errors);
    if (c->metrics_listen != NULL)
        (void)metrics_check(c, errors);
    if (c->sandbox && !sandbox_known())
        fputs("vidimus-milter: note: built without libseccomp, there is no sandbox\n", stderr);
    if (errors->n > 0)
        return complain(errors, EX_CONFIG);
    puts("vidimus-milter: the configuration is right");
    return EX_OK;
}

/* In the background the working folder is another one, and a reload has to find the file again.  NULL: no memory. */
static const char *
absolute(struct options *o)
{
    char *here = o->file[0] == '/' ? NULL : getcwd(NULL, 0);
    if (here == NULL)
        return o->file;
    size_t n = strlen(here) + strlen(o->file) + 2;
    char *path = malloc(n);
    if (path != NULL) {
        snprintf(path, n, "%s/%s", here, o->file);
        o->absolute = path;
    }
    free(here);
    return path;
}

int
main(int argc, char **argv)
{
    struct options o = { 0 };
    struct config *c = NULL;
    struct strbuf errors;
    int rc = read_options(argc, argv, &o);
    if (rc != EX_OK)
        return rc < 0 ? EX_OK : rc;
    strbuf_init(&errors, 0);
    if (!o.foreground && !o.check && (o.file = absolute(&o)) == NULL)
        return EX_OSERR;
    switch (config_load(o.file, o.overrides, o.n_overrides, &errors, &c)) {
    case ST_OK:
        rc = o.check ? check(&o, c, &errors) : start(&o, c, &errors);
        break;
    case ST_NOMEM:
        rc = complain(&errors, EX_OSERR);
        break;
    case ST_SYNTAX:
    case ST_LIMIT:
    case ST_TIMEOUT:
    case ST_INTERNAL:
        rc = complain(&errors, EX_CONFIG);
        break;
    }
    config_release(c);
    for (size_t i = 0; i < o.n_made; i++)
        free(o.made[i]);
    free(o.absolute);
    strbuf_clear(&errors);
    return rc;
}
