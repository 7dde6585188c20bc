#include "second/spf_bounds.h"

#define COMPILED_MAX 500u /* of 511 octets each for mechanisms and modifiers */
#define WORD_MAX     250u /* a string holds 255 */

static size_t
rounded(size_t n)
{
    return (n + 7) / 8 * 8;
}

/* The room that text with macros takes in the compiled form; 0: it must not be shown at all. */
static size_t
compiled_text(slice s)
{
    size_t total = 0, literal = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool macro = s.p[i] == '%' && i + 2 < s.n && s.p[i + 1] == '{';
        literal += macro ? 0 : s.p[i] == '%' ? 3 : 1;
        if (!macro)
            continue;
        for (size_t d = i + 3; d < s.n && ascii_is_digit(s.p[d]); d++)
            if (d > i + 5) /* read into an int without a look at its size */
                return 0;
        total += 8 + (literal > 0 ? rounded(4 + literal) : 0);
        literal = 0;
        i += slice_find(slice_tail(s, i), '}');
    }
    return total + (literal > 0 ? rounded(4 + literal) : 0);
}

/* Upper bound of the room that a term takes in the compiled form; 0: it must not be shown at all.
 */
static size_t
compiled_size(slice word)
{
    if (slice_istarts(word, SLICE("ip4:")) || slice_istarts(slice_tail(word, 1), SLICE("ip4:")))
        return 8;
    if (slice_istarts(word, SLICE("ip6:")) || slice_istarts(slice_tail(word, 1), SLICE("ip6:")))
        return 20;
    if (word.n > WORD_MAX)
        return 0;
    size_t name = 0;
    while (name < word.n && word.p[name] != ':' && word.p[name] != '=' && word.p[name] != '/')
        name++;
    slice value = slice_tail(word, name + 1);
    size_t text = compiled_text(value);
    if (text == 0 && value.n > 0)
        return 0;
    /* its header, and prefix lengths or the name of a modifier */
    return 4 + (name < word.n && word.p[name] == '=' ? rounded(name) : 8) + text;
}

bool
spf_libspf2_survives(slice record)
{
    size_t total = 0;
    for (slice rest = record; rest.n > 0;) {
        slice word;
        slice_cut(rest, ' ', &word, &rest);
        if (word.n == 0)
            continue;
        size_t n = compiled_size(word);
        if (n == 0 || (total += n) > COMPILED_MAX)
            return false;
    }
    return true;
}
