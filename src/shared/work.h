/*-------------------------------------------------------------------------
 *
 * work.h
 *	  A transaction of one of our processes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_WORK_H
#define JDG_SHARED_WORK_H

/*
 * Start and commit a transaction as bookkeeper (base/spi.h), with a snapshot
 * and AccessShare on the extension.  They cannot be nested.  After an error in
 * between, the abort of the transaction cleans up.  The memory context of the
 * caller of begin is current again after end.
 */
extern void jdg_work_begin(void);
extern void jdg_work_end(void);

/*
 * The same without waiting for the disk at commit, for a transaction that
 * makes work ready, or cancels work whose predecessor failed, and that is
 * repeated if a crash undoes it.  All effects of that work, such as the end of
 * a task, are committed after it, and so cannot survive a crash that it does
 * not survive.
 */
extern void jdg_work_begin_async(void);

/* the same without a snapshot, and outside bookkeeping */
extern void jdg_work_begin_bare(void);
extern void jdg_work_end_bare(void);

#endif							/* JDG_SHARED_WORK_H */
