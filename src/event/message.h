/*-------------------------------------------------------------------------
 *
 * message.h
 *	  Message ids, by which a publisher may repeat a call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_MESSAGE_H
#define JDG_EVENT_MESSAGE_H

#include "postgres_ext.h"

/*
 * Notes that the role's event of this message id is event_id.  Returns 0, or
 * the id of the event that has it already.  Waits for a transaction that has
 * just taken the same message id.  Outside jdg_internal_begin().
 */
extern int64 jdg_message_take(Oid role, const char *message_id, int64 event_id);

#endif							/* JDG_EVENT_MESSAGE_H */
