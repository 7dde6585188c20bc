/*
 * clock.h - the two clocks.  Deadlines use the monotonic one, so a step of the wall clock never moves them.
 * Judgements (t=, x=, reports) take the wall clock's time as an argument and do not ask here.
 */
#ifndef VIDIMUS_BASE_CLOCK_H
#define VIDIMUS_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_mono_ms(void); /* milliseconds since some fixed point */
uint64_t clock_mono_us(void);
int64_t clock_wall_s(void);   /* Unix time, seconds */
int64_t clock_wall_ms(void);  /* Unix time, milliseconds */

#endif
