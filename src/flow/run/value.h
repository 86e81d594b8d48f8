/*-------------------------------------------------------------------------
 *
 * value.h
 *	  Values that rows of flow_step hold.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_VALUE_H
#define JDG_FLOW_RUN_VALUE_H

#include "utils/jsonb.h"

/* a value of a row, which may be toasted, to be looked into */
extern Jsonb *jdg_step_jsonb(Jsonb *stored);

/* an error of ours, in the form of those that tasks raise */
extern Jsonb *jdg_flow_error(const char *code, const char *message,
							 const char *detail);
extern Jsonb *jdg_flow_bool(bool b);

#endif							/* JDG_FLOW_RUN_VALUE_H */
