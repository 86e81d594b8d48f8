/*-------------------------------------------------------------------------
 *
 * typerow.h
 *	  Locking the rows of event types that are to be changed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_TYPEROW_H
#define JDG_EVENT_TYPEROW_H

#include "postgres_ext.h"

/*
 * Locks the row of a type until the transaction ends; false: it is not
 * registered.  Raises FORBIDDEN if the user may not change it.  Inside
 * jdg_internal_begin().
 */
extern bool jdg_event_type_lock(const char *name, Oid user);

#endif							/* JDG_EVENT_TYPEROW_H */
