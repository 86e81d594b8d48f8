/*-------------------------------------------------------------------------
 *
 * adopted.h
 *	  Runs that a copy of a database has brought along.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_RUN_ADOPTED_H
#define JDG_FLOW_RUN_ADOPTED_H

#include "base/module.h"

/* pauses or aborts them, as adopt() was asked: see base/module.h */
extern void jdg_flows_adopted(const JdgAdoption *adoption);

#endif							/* JDG_FLOW_RUN_ADOPTED_H */
