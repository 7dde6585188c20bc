/*
 * story.h - the one log line that tells a message's story.
 */
#ifndef VIDIMUS_PIPELINE_STORY_H
#define VIDIMUS_PIPELINE_STORY_H

#include "base/log.h"
#include "record/record.h"

void story_log(struct log *l, const struct record *r);

#endif
