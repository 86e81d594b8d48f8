/*-------------------------------------------------------------------------
 *
 * rows.h
 *	  Rows of our own tables, written in bulk, directly to heap and indexes.
 *
 * All functions need a transaction with an active snapshot, and pass on errors
 * of the table's access method.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_ROWS_H
#define JDG_BASE_ROWS_H

#include "storage/itemptr.h"
#include "utils/relcache.h"

typedef struct JdgRows JdgRows;

/*
 * Opens one of our tables, with RowExclusiveLock, to write rows of "natts"
 * columns.  The result is in the current context, which must live until
 * jdg_rows_close().  An error ends it with the (sub)transaction.
 */
extern JdgRows *jdg_rows_open(Oid relid, int natts);

/*
 * Adds a row.  Rows are written in batches: values that are pointers must stay
 * valid until jdg_rows_close(), which writes the remaining rows and makes them
 * visible to the next command.  Or they are in the memory context of
 * jdg_rows_memory(), which is reset after each batch.
 */
extern void jdg_rows_put(JdgRows *rows, const Datum *values,
						 const bool *isnull);
extern MemoryContext jdg_rows_memory(JdgRows *rows);
extern void jdg_rows_close(JdgRows *rows);

/*
 * Updates a row at once.  The caller holds a lock that keeps other
 * transactions from changing it; if one has changed it, this raises a
 * serialization failure.
 */
extern void jdg_rows_update(JdgRows *rows, ItemPointer tid,
							const Datum *values, const bool *isnull);

/* deletes a row that this transaction has locked; false: it has changed */
extern bool jdg_row_delete(Relation rel, ItemPointer tid);

#endif							/* JDG_BASE_ROWS_H */
