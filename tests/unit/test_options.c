/* Every option stands in the manual and in the sample file, with the default of the table. */
#include "test.h"

#include "base/arena.h"
#include "config/config.h"
#include "config/load.h"
#include "config/options.h"

static slice
read_source(struct arena *a, const char *name)
{
    const char *top = getenv("srcdir");
    slice path = arena_printf(a, "%s/%s", top == NULL ? "." : top, name);
    slice text = config_read_file(a, path.p);
    if (text.p == NULL)
        fail_msg("cannot read %s", path.p);
    return text;
}

/* The text with line ends and blanks as single blanks, for comparing what was wrapped. */
static bool
same_words(slice a, slice b)
{
    slice x, y;
    for (;;) {
        bool more = config_next_item(&a, &x);
        if (more != config_next_item(&b, &y))
            return false;
        if (!more)
            return true;
        if (!slice_eq(x, y))
            return false;
    }
}

/* "From 100ms to 60s." */
static bool
same_range(const struct option_def *d, slice line)
{
    slice from, to;
    uint64_t min, max;
    line = slice_tail(line, 5);
    size_t at = slice_find(line, ' ');
    from = slice_head(line, at);
    to = slice_tail(line, at);
    return slice_starts(to, SLICE(" to ")) && config_read_number(d->type, from, &min) &&
           config_read_number(d->type, slice_tail(slice_head(to, to.n - 1), 4), &max) && min == d->min && max == d->max;
}

static void
the_manual_has_every_option(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    slice text = read_source(arena, "milter/config/vidimus.conf.5"), line;
    size_t documented = 0, option = OPTION_NONE;
    bool expect_value = false, ranged = false;
    while (text.n > 0) {
        slice_cut(text, '\n', &line, &text);
        if (slice_starts(line, SLICE(".It Cm "))) {
            if (option != OPTION_NONE)
                fail_msg("no default stands with %s", option_table[option].name);
            slice rest = slice_tail(line, 7), name;
            assert_true(config_next_item(&rest, &name));
            option = option_find(name);
            if (option == OPTION_NONE || !slice_eq(name, slice_from(option_table[option].name)))
                fail_msg("the manual has \"%.*s\", the table has not", SLICE_ARG(name));
            documented++;
            ranged = option_table[option].max == 0 || option_table[option].type == OT_OCTAL;
        } else if (option != OPTION_NONE && slice_starts(line, SLICE("From "))) {
            if (!same_range(&option_table[option], line))
                fail_msg("%s has another range in the manual", option_table[option].name);
            ranged = true;
        } else if (option != OPTION_NONE && slice_eq(line, SLICE("Default: none."))) {
            if (option_table[option].def[0] != '\0')
                fail_msg("%s has a default", option_table[option].name);
            option = OPTION_NONE;
        } else if (option != OPTION_NONE && slice_eq(line, SLICE("Default:"))) {
            expect_value = true;
        } else if (expect_value) {
            struct strbuf plain; /* \& keeps roff from reading ":" as punctuation */
            strbuf_init(&plain, 0);
            assert_true(slice_starts(line, SLICE(".Li ")));
            for (size_t i = 4; i < line.n; i++)
                if (line.p[i] == '\\')
                    i++;
                else
                    strbuf_add_char(&plain, line.p[i]);
            if (!same_words(strbuf_slice(&plain), slice_from(option_table[option].def)))
                fail_msg("%s has another default in the manual", option_table[option].name);
            strbuf_clear(&plain);
            if (!ranged)
                fail_msg("%s has no range in the manual", option_table[option].name);
            expect_value = false;
            option = OPTION_NONE;
        }
    }
    for (size_t i = 0; i < option_count; i++) {
        slice entry = arena_printf(arena, ".It Cm %s ", option_table[i].name);
        if (!slice_icontains(read_source(arena, "milter/config/vidimus.conf.5"), entry))
            fail_msg("%s is not in the manual", option_table[i].name);
    }
    assert_int_equal(documented, option_count);
    arena_free(arena);
}

static void
the_sample_has_every_option(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    slice text = read_source(arena, "conf/vidimus.conf"), line;
    struct strbuf active, errors;
    strbuf_init(&active, 0);
    strbuf_init(&errors, 0);
    while (text.n > 0) { /* "#Name value" is an option with its default, "# text" says something about it */
        slice_cut(text, '\n', &line, &text);
        bool continued = slice_starts(line, SLICE("#    "));
        if (line.n > 1 && line.p[0] == '#' && (continued || (line.p[1] != ' ' && line.p[1] != '\n')))
            line = slice_tail(line, 1);
        strbuf_add(&active, line);
        strbuf_add_char(&active, '\n');
    }
    struct loading l = { .arena = arena, .errors = &errors };
    l.settings = arena_array(arena, option_count, sizeof(*l.settings));
    config_parse_text(&l, SLICE("vidimus.conf"), strbuf_slice(&active));
    assert_string_equal(strbuf_str(&errors), "");
    for (size_t i = 0; i < option_count; i++) {
        if (!l.settings[i].is_set)
            fail_msg("%s is not in the sample", option_table[i].name);
        if (!same_words(l.settings[i].value, slice_from(option_table[i].def)))
            fail_msg("%s has another default in the sample: %.*s", option_table[i].name, SLICE_ARG(l.settings[i].value));
    }
    strbuf_clear(&active);
    strbuf_clear(&errors);
    arena_free(arena);
}

static void
the_sample_loads_as_it_is(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    const char *top = getenv("srcdir");
    slice path = arena_printf(arena, "%s/conf/vidimus.conf", top == NULL ? "." : top);
    struct strbuf errors, dump;
    struct config *c = NULL;
    strbuf_init(&errors, 0);
    strbuf_init(&dump, 0);
    enum status st = config_load(path.p, NULL, 0, &errors, &c);
    assert_string_equal(strbuf_str(&errors), "");
    assert_int_equal(st, ST_OK);
    config_release(c);
    strbuf_clear(&errors);
    strbuf_clear(&dump);
    arena_free(arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manual_has_every_option),
        cmocka_unit_test(the_sample_has_every_option),
        cmocka_unit_test(the_sample_loads_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
