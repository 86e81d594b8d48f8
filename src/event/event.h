/*-------------------------------------------------------------------------
 *
 * event.h
 *	  A row of jadugar_internal.event as a struct.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_EVENT_H
#define JDG_EVENT_EVENT_H

#include "access/transam.h"
#include "executor/tuptable.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/rows.h"
#include "event/topic.h"

/* number of columns of the table */
#define JDG_EVENT_COLUMNS 17

/* pointers are NULL where the column is */
typedef struct JdgEvent
{
	int64		event_id;
	FullTransactionId xid;		/* the top-level transaction */
	int32		leaf;
	int32		slot;			/* hash of the key */
	TimestampTz published_at;
	Oid			publisher;
	int			version;		/* 0: of no registered type */
	int			hops;
	int64		stream_id;		/* 0: of no stream */
	int64		stream_version;
	int64		cause;			/* 0: none */
	char	   *type;
	char	   *key;
	char	   *tenant;
	char	   *trace;
	Jsonb	   *headers;
	Jsonb	   *data;
} JdgEvent;

/* an event that is to be handled, and what its handler gets */
typedef struct JdgPending
{
	JdgEvent	event;
	JdgTopic	topic;
} JdgPending;

extern int64 jdg_event_next_id(void);

/* adds the event to rows of its leaf, which keep pointers until they close */
extern void jdg_event_put(JdgRows *rows, const JdgEvent *e);

/* reads a row in the current memory context; toasted values are fetched */
extern void jdg_event_read(TupleTableSlot *slot, JdgEvent *e);

/* the same from a row of type jadugar_internal.event, in this context */
extern void jdg_event_of_datum(Datum row, JdgEvent *e, MemoryContext mcxt);

/* all columns of the row as a JSON object */
extern Jsonb *jdg_event_to_jsonb(const JdgEvent *e);

/* reads only event_id, xid and slot; "e" is not to be used as an event */
extern void jdg_event_read_head(TupleTableSlot *slot, JdgEvent *e);

/*
 * Reads only the type, of JDG_EVENT_TYPE_MAX bytes at most, and a zero byte.
 * Leaves no memory allocated.
 */
extern void jdg_event_read_type(TupleTableSlot *slot, char *type);

/* columns that are read before the whole row, from 1 */
#define JDG_EVENT_ID_COLUMN		1
#define JDG_EVENT_XID_COLUMN	2
#define JDG_EVENT_KEY_COLUMN	13

/* the type jadugar.event_info */
extern Oid	jdg_event_info_type(void);

/* the row of type jadugar.event_info; "whole" false: without data and headers */
extern Datum jdg_event_info(TupleDesc desc, const JdgEvent *e,
							const JdgTopic *topic, bool whole);

/* the same as jsonb */
extern Jsonb *jdg_event_info_jsonb(const JdgEvent *e, const JdgTopic *topic);

#endif							/* JDG_EVENT_EVENT_H */
