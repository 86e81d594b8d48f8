/*-------------------------------------------------------------------------
 *
 * rows.h
 *	  Rows of our own tables written in bulk, straight on heap and indexes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_ROWS_H
#define JDG_BASE_ROWS_H

#include "storage/itemptr.h"
#include "utils/relcache.h"

typedef struct JdgRows JdgRows;

/*
 * Begin to insert rows of "natts" columns into one of our tables.  Works in
 * the current context until jdg_rows_close(), which writes what is left; an
 * error ends it with the (sub)transaction.  With an active snapshot.
 */
extern JdgRows *jdg_rows_open(Oid relid, int natts);

/* values that are pointers stay valid until jdg_rows_close() */
extern void jdg_rows_put(JdgRows *rows, const Datum *values,
						 const bool *isnull);
extern void jdg_rows_close(JdgRows *rows);

/*
 * Update a row that nobody else changes meanwhile, because of a lock that the
 * caller holds.
 */
extern void jdg_rows_update(JdgRows *rows, ItemPointer tid,
							const Datum *values, const bool *isnull);

/* delete a row that this transaction has locked; false: it has changed */
extern bool jdg_row_delete(Relation rel, ItemPointer tid);

#endif							/* JDG_BASE_ROWS_H */
