#include "mail/authres_words.h"
#include "mail/lexer.h"

#include <string.h>

static bool
is_8bit(char c)
{
    return (unsigned char)c >= 0x80;
}

bool
authres_is_token_char(char c)
{
    return c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

bool
authres_is_domain_name(slice s)
{
    for (size_t i = 0, start = 0; i <= s.n; i++) {
        if (i < s.n && s.p[i] != '.') {
            if (!is_8bit(s.p[i]) && !ascii_is_alnum(s.p[i]) && s.p[i] != '-')
                return false;
            continue;
        }
        if (i == start || s.p[start] == '-' || s.p[i - 1] == '-')
            return false;
        start = i + 1;
    }
    return true;
}

bool
authres_is_dot_string(slice s)
{
    bool after_dot = true;
    for (size_t i = 0; i < s.n; i++) {
        bool dot = s.p[i] == '.';
        if ((dot && after_dot) || (!dot && !is_8bit(s.p[i]) && !lexer_is_atext(s.p[i])))
            return false;
        after_dot = dot;
    }
    return !after_dot;
}
