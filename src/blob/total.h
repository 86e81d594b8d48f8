/*-------------------------------------------------------------------------
 *
 * total.h
 *	  The bound of all blobs of a database: jadugar.max_blob_total.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BLOB_TOTAL_H
#define JDG_BLOB_TOTAL_H

#include "base/module.h"

extern const JdgShmemPart jdg_blob_shmem;

/* called once, by _PG_init */
extern void jdg_blob_total_init(void);

/*
 * Counts a blob of so many bytes that this transaction is about to write.
 * False: there is no room for it, and it is not counted.
 */
extern bool jdg_blob_total_add(int64 bytes);

/* this transaction has deleted blobs of so many bytes */
extern void jdg_blob_total_deleted(int64 bytes);

#endif							/* JDG_BLOB_TOTAL_H */
