/* libspf2 as a milter would use it on its own: one server, one request a check, answers from its own zone layer in memory. */
#include "autoconf.h"

#include "spf_bench.h"

#ifdef HAVE_SPF2

#include <netinet/in.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <spf2/spf.h>
#include <spf2/spf_dns_zone.h>

/* The lines of spf.zone that are records: name. type data. */
static SPF_dns_server_t *
make_zone(const char *text)
{
    static const struct { const char *name; ns_type type; } types[] = { { "A", ns_t_a }, { "MX", ns_t_mx }, { "TXT", ns_t_txt } };
    SPF_dns_server_t *dns = SPF_dns_zone_new(NULL, NULL, 0);
    char *copy = strdup(text), *save = NULL;
    for (char *line = strtok_r(copy, "\n", &save); dns != NULL && line != NULL; line = strtok_r(NULL, "\n", &save)) {
        char *name = line, *type = strchr(line, ' '), *data = type == NULL ? NULL : strchr(type + 1, ' ');
        if (line[0] == ';' || data == NULL)
            continue;
        type[-1] = '\0'; /* the final dot */
        *data++ = '\0';
        size_t n = strlen(data);
        if (n > 0 && (data[n - 1] == '.' || data[n - 1] == '"'))
            data[n - 1] = '\0';
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
            if (strcmp(type + 1, types[i].name) == 0) {
                SPF_dns_zone_add_str(dns, name, types[i].type, NETDB_SUCCESS, data + (data[0] == '"'));
                if (types[i].type == ns_t_txt) /* or it would take the missing type 99 for a missing name */
                    SPF_dns_zone_add_str(dns, name, ns_t_spf, NO_DATA, NULL);
            }
    }
    free(copy);
    return dns;
}

static int
check(SPF_server_t *server, const struct spf_bench_case *c, const char *from)
{
    SPF_response_t *response = NULL;
    SPF_request_t *request = SPF_request_new(server);
    SPF_request_set_ipv4_str(request, c->client);
    SPF_request_set_helo_dom(request, "mx.example.net");
    SPF_request_set_env_from(request, from);
    SPF_request_query_mailfrom(request, &response);
    int same = strcmp(SPF_strresult(SPF_response_result(response)), c->result) == 0;
    SPF_response_free(response);
    SPF_request_free(request);
    return same;
}

double
spf_bench_bare_libspf2(const char *zone_text, const struct spf_bench_case *c, unsigned count)
{
    SPF_dns_server_t *dns = make_zone(zone_text);
    SPF_server_t *server = dns == NULL ? NULL : SPF_server_new_dns(dns, 0);
    char from[100];
    int same = server != NULL;
    double best = -1;
    snprintf(from, sizeof(from), "user@%s", c->domain);
    for (int round = 0; same && round < SPF_BENCH_ROUNDS; round++) {
        double start = spf_bench_cpu_us();
        for (unsigned i = 0; same && i < count; i++)
            same = check(server, c, from);
        double took = (spf_bench_cpu_us() - start) / count;
        if (best < 0 || took < best)
            best = took;
    }
    if (server != NULL)
        SPF_server_free(server);
    return same ? best : -1;
}

#else

double
spf_bench_bare_libspf2(const char *zone_text, const struct spf_bench_case *c, unsigned count)
{
    (void)zone_text, (void)c, (void)count;
    return -1;
}

#endif
