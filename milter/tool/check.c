/*
 * check.c - `vidimus check`: drives the pipeline with one message and an envelope from the command line.
 */
#include "tool/tool.h"

#include "config/config.h"
#include "crypto/keys.h"
#include "dmarc/psl.h"
#include "dns/network.h"
#include "dns/replay.h"
#include "dns/zone.h"
#include "mail/eml.h"
#include "pipeline/pipeline.h"
#include "tool/check_json.h"
#include "tool/check_options.h"
#include "tool/check_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define ZONE_MAX ((size_t)64 << 20)
