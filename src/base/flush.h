/*-------------------------------------------------------------------------
 *
 * flush.h
 *	  Flushes the WAL.
 *
 * A command that this worker does not know to be quick may crash the server.
 * Its task must survive that, or it could not be charged; and the scheduler
 * makes tasks ready without waiting for the disk.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_FLUSH_H
#define JDG_BASE_FLUSH_H

/* Waits until all WAL that was inserted so far, by anybody, is on disk. */
extern void jdg_flush_wal(void);

#endif							/* JDG_BASE_FLUSH_H */
