/*
 * parse.c - the text of a configuration file into settings.  No value is understood here.
 *
 *   Name value          names as in the table, case ignored; "Name" alone is the empty value
 *     more value        a line that begins with white space continues the one before it, as in Postfix
 *   # comment           at the beginning of a line or after white space
 *   Include FILE        relative to the folder of the file that says so
 *
 * Included files are kept on a stack of frames, not on the C stack; a file cannot include itself or go deeper than that.
 */
#include "autoconf.h"

#include "config/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 10
#define FILE_MAX_BYTES (16u << 20)

struct frame {
    slice file; /* as shown in errors */
    slice rest;
    unsigned line;
    dev_t dev;
    ino_t ino;
};

slice
config_read_file(struct arena *a, const char *path)
{
    struct strbuf text;
    char chunk[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), error = fd < 0 ? errno : 0;
    strbuf_init(&text, FILE_MAX_BYTES);
    while (error == 0) {
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got == 0)
            break;
        if (got > 0)
            strbuf_add(&text, (slice){ chunk, (size_t)got });
        else if (errno != EINTR)
            error = errno;
        if (strbuf_status(&text) != ST_OK)
            error = strbuf_status(&text) == ST_LIMIT ? EFBIG : ENOMEM;
    }
    if (fd >= 0)
        close(fd);
    slice whole = strbuf_finish(&text, a);
    errno = error != 0 ? error : ENOMEM;
    return error != 0 ? (slice){ NULL, 0 } : slice_after_bom(whole);
}

static void
add_problem(struct loading *l, const char *fmt, va_list ap)
{
    char text[1200];
    vsnprintf(text, sizeof(text), fmt, ap);
    /* the file is not mail, but what is wrong with it may be that it is no text */
    for (char *p = text; *p != '\0'; p++)
        strbuf_add_char(l->errors, (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p);
    strbuf_add_char(l->errors, '\n');
    l->problems++;
}

/* One problem of a file, a line: "file:line: ..." */
__attribute__((format(printf, 4, 5))) static void
problem(struct loading *l, slice file, unsigned line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    strbuf_add(l->errors, file.n > 0 ? file : SLICE("-o"));
    if (line != 0)
        strbuf_printf(l->errors, ":%u", line);
    strbuf_add(l->errors, SLICE(": "));
    add_problem(l, fmt, ap);
    va_end(ap);
}

void
setting_problem(struct loading *l, size_t option, const char *fmt, ...)
{
    const struct setting *s = &l->settings[option];
    va_list ap;
    va_start(ap, fmt);
    if (s->is_set && s->file.n > 0)
        strbuf_printf(l->errors, "%.*s:%u: ", SLICE_ARG(s->file), s->line);
    else if (s->is_set)
        strbuf_add(l->errors, SLICE("-o: "));
    else
        strbuf_add(l->errors, SLICE("default: "));
    add_problem(l, fmt, ap);
    va_end(ap);
}

bool
config_next_item(slice *rest, slice *item)
{
    while (rest->n > 0 && (rest->p[0] == ',' || ascii_is_wsp(rest->p[0])))
        *rest = slice_tail(*rest, 1);
    size_t n = 0;
    while (n < rest->n && rest->p[n] != ',' && !ascii_is_wsp(rest->p[n]))
        n++;
    *item = slice_head(*rest, n);
    *rest = slice_tail(*rest, n);
    return n > 0;
}

static void
unknown_name(struct loading *l, slice file, unsigned line, slice name)
{
    const char *near = option_nearest(name);
    if (near != NULL)
        problem(l, file, line, "unknown option \"%.*s\"; did you mean %s?", SLICE_ARG(slice_head(name, 60)), near);
    else
        problem(l, file, line, "unknown option \"%.*s\"; vidimus.conf(5) lists all of them",
                SLICE_ARG(slice_head(name, 60)));
}

static void
set(struct loading *l, slice file, unsigned line, slice name, slice value)
{
    size_t i = option_find(name);
    if (i == OPTION_NONE) {
        unknown_name(l, file, line, name);
        return;
    }
    struct setting *s = &l->settings[i];
    /* the same option again from another file replaces it (that is what Include is for), in one file it is a slip */
    if (s->is_set && file.n > 0 && slice_eq(s->file, file)) {
        problem(l, file, line, "%s is already set in line %u; it is allowed once a file", option_table[i].name, s->line);
        return;
    }
    *s = (struct setting){ .is_set = true, .value = value, .file = file, .line = line };
}

/* A line without its comment: "#" at the beginning or after white space. */
static slice
uncomment(slice line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] == '#' && (i == 0 || ascii_is_wsp(line.p[i - 1])))
            return slice_head(line, i);
    return line;
}

/* The next logical line, continuation lines joined; *at is the number of its first line.  False at the end. */
static bool
next_line(struct loading *l, struct frame *f, slice *out, unsigned *at)
{
    struct strbuf joined;
    strbuf_init(&joined, 0);
    bool have = false;
    while (f->rest.n > 0) {
        bool continues = ascii_is_wsp(f->rest.p[0]);
        slice line, after;
        (void)slice_cut(f->rest, '\n', &line, &after);
        slice text = slice_trim(uncomment(line));
        if (text.n > 0 && have && !continues)
            break;
        f->rest = after;
        f->line++;
        if (text.n == 0)
            continue;
        if (!have && continues)
            problem(l, f->file, f->line, "a line that begins with white space continues another; there is none before it");
        else if (!have)
            *at = f->line;
        if (have)
            strbuf_add_char(&joined, ' ');
        have = true;
        strbuf_add(&joined, text);
    }
    *out = strbuf_finish(&joined, l->arena);
    if (have && out->p == NULL) {
        l->no_memory = true;
        return false;
    }
    return have;
}

/* FILE of an Include, relative to the folder of the including file. */
static char *
included_path(struct loading *l, slice from, slice path)
{
    size_t slash = slice_rfind(from, '/');
    if ((path.n > 0 && path.p[0] == '/') || slash == from.n)
        return arena_strdup(l->arena, path);
    slice joined = arena_printf(l->arena, "%.*s/%.*s", (int)slash, from.p, SLICE_ARG(path));
    return joined.p == NULL ? NULL : arena_strdup(l->arena, joined);
}

/* Open `path` as the frame on top of `depth` others. */
static bool
push(struct loading *l, struct frame *stack, size_t *depth, const char *path, slice from, unsigned line)
{
    struct stat st;
    slice by = from.n > 0 ? from : slice_from(path);
    if (*depth == DEPTH_MAX) {
        problem(l, by, line, "Include goes deeper than %d files", DEPTH_MAX);
        return false;
    }
    slice text = config_read_file(l->arena, path);
    if (text.p == NULL || stat(path, &st) != 0) {
        problem(l, by, line, "cannot read %s: %s", path, strerror(errno));
        return false;
    }
    for (size_t i = 0; i < *depth; i++)
        if (stack[i].dev == st.st_dev && stack[i].ino == st.st_ino) {
            problem(l, by, line, "Include of %s, which is being read already", path);
            return false;
        }
    if (slice_has(text, '\0')) {
        problem(l, slice_from(path), 0, "is not a text file (it holds NUL octets)");
        return false;
    }
    char *name = arena_strdup(l->arena, slice_from(path));
    if (name == NULL) {
        l->no_memory = true;
        return false;
    }
    stack[(*depth)++] = (struct frame){ .file = slice_from(name), .rest = text, .dev = st.st_dev, .ino = st.st_ino };
    return true;
}

static void
parse_stack(struct loading *l, struct frame *stack, size_t depth)
{
    while (depth > 0 && !l->no_memory) {
        struct frame *f = &stack[depth - 1];
        slice line, name;
        unsigned at = 0;
        if (!next_line(l, f, &line, &at)) {
            depth--;
            continue;
        }
        if (at == 0)
            continue; /* a continuation of nothing, already said */
        size_t n = 0;
        while (n < line.n && !ascii_is_wsp(line.p[n]))
            n++;
        name = slice_head(line, n);
        slice value = slice_trim(slice_tail(line, n));
        if (!slice_ieq(name, SLICE("Include"))) {
            set(l, f->file, at, name, value);
        } else if (value.n == 0) {
            problem(l, f->file, at, "Include names no file");
        } else {
            const char *path = included_path(l, f->file, value);
            if (path == NULL)
                l->no_memory = true;
            else
                (void)push(l, stack, &depth, path, f->file, at);
        }
    }
}

void
config_parse_text(struct loading *l, slice file, slice text)
{
    struct frame stack[DEPTH_MAX] = { { .file = file, .rest = text } };
    parse_stack(l, stack, 1);
}

void
config_parse_file(struct loading *l, const char *path)
{
    struct frame stack[DEPTH_MAX];
    size_t depth = 0;
    if (push(l, stack, &depth, path, SLICE_EMPTY, 0))
        parse_stack(l, stack, depth);
}

void
config_parse_override(struct loading *l, const char *text)
{
    slice name, value, all = slice_from(text);
    if (!slice_cut(all, '=', &name, &value)) {
        problem(l, SLICE("-o"), 0, "\"%.*s\" is not NAME=VALUE", SLICE_ARG(slice_head(all, 80)));
        return;
    }
    value = arena_slice(l->arena, slice_trim(value));
    if (value.p == NULL)
        l->no_memory = true;
    else
        set(l, SLICE_EMPTY, 0, slice_trim(name), value);
}
