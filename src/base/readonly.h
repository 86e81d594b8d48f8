/*-------------------------------------------------------------------------
 *
 * readonly.h
 *	  A part of a transaction that cannot change data.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BASE_READONLY_H
#define JDG_BASE_READONLY_H

/* the state to restore at the end */
typedef struct JdgReadOnly
{
	bool		transaction;	/* it was read-only anyway */
	bool		reset;			/* the value that RESET gives */
} JdgReadOnly;

/*
 * From here on the server refuses to change data, as in a read-only
 * transaction, whatever statements run.  The end must be reached after an
 * error, too, before the subtransaction is aborted.
 */
extern void jdg_read_only_begin(JdgReadOnly *st);
extern void jdg_read_only_end(const JdgReadOnly *st);

#endif							/* JDG_BASE_READONLY_H */
