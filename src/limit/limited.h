/*-------------------------------------------------------------------------
 *
 * limited.h
 *	  Handlers that have limits, or are to have them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_LIMIT_LIMITED_H
#define JDG_LIMIT_LIMITED_H

/*
 * Locks the row of a handler that the user may change, and returns its owner.
 * Inside jdg_internal_begin().
 */
extern Oid	jdg_limit_lock_handler(const char *name, Oid user);

#endif							/* JDG_LIMIT_LIMITED_H */
