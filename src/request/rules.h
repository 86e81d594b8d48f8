/*-------------------------------------------------------------------------
 *
 * rules.h
 *	  The rules of requests for the module task: task/target.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_RULES_H
#define JDG_REQUEST_RULES_H

#include "task/target.h"

extern const JdgTargetRules jdg_request_rules;

#endif							/* JDG_REQUEST_RULES_H */
