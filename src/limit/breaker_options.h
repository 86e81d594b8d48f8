/*-------------------------------------------------------------------------
 *
 * breaker_options.h
 *	  Options of a breaker as JSON.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_LIMIT_BREAKER_OPTIONS_H
#define JDG_LIMIT_BREAKER_OPTIONS_H

#include "utils/jsonb.h"

#include "shared/breaker.h"

/*
 * Reads the options of a breaker that is on, with defaults for the others.
 * Raises VALIDATION_ERROR with the name and value of one that is invalid.
 */
extern void jdg_breaker_options_read(const Jsonb *options,
									 JdgBreakerOptions *o);

#endif							/* JDG_LIMIT_BREAKER_OPTIONS_H */
