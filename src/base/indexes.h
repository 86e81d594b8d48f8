/*-------------------------------------------------------------------------
 *
 * indexes.h
 *	  The indexes of a table that rows are written to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_INDEXES_H
#define JDG_BASE_INDEXES_H

#include "nodes/execnodes.h"

/*
 * Does what ExecOpenIndices() does, for insertions without speculation, with
 * what the process has kept of the indexes.  The table is open with
 * RowExclusiveLock.  ExecCloseIndices() closes them, in this transaction.
 */
extern void jdg_indexes_open(ResultRelInfo *info);

#endif							/* JDG_BASE_INDEXES_H */
