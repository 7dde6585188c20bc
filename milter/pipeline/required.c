#include "pipeline/required.h"

slice
required_problem(struct arena *a, const struct header_list *headers)
{
    static const struct {
        const char *name;
        bool needed;
    } table[] = { { "From", true },     { "Date", true },       { "Sender", false },      { "Reply-To", false },   { "To", false },
                  { "Cc", false },      { "Bcc", false },       { "Message-ID", false },  { "In-Reply-To", false },
                  { "References", false }, { "Subject", false } };
    for (size_t i = 0; i < COUNT(table); i++) {
        size_t n = header_list_count_name(headers, slice_from(table[i].name));
        if (n == 0 && table[i].needed)
            return arena_printf(a, "the message has no %s field", table[i].name);
        if (n > 1)
            return arena_printf(a, "the message has %zu %s fields where RFC 5322 allows one", n, table[i].name);
    }
    return SLICE_EMPTY;
}
