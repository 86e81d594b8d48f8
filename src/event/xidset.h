/*-------------------------------------------------------------------------
 *
 * xidset.h
 *	  Snapshots that are kept in tables: which transactions they have seen.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_XIDSET_H
#define JDG_EVENT_XIDSET_H

/*
 * A snapshot has seen a transaction if that had ended when it was taken: its
 * id is below xmax and not in xip.  Ids are top-level ones with their epoch.
 */
typedef struct JdgXidSet
{
	uint64		xmax;
	int			nxip;
	uint64	   *xip;			/* in ascending order, all below xmax */
} JdgXidSet;

/* has the snapshot seen the transaction?  NULL has seen none */
extern bool jdg_xidset_has(const JdgXidSet *set, uint64 xid);

/*
 * Does the set have all transactions from "from" to "to", both included?
 */
extern bool jdg_xidset_has_range(const JdgXidSet *set, uint64 from, uint64 to);

/*
 * The transactions that have ended now, in the current memory context.  The
 * caller's own transaction has not ended.
 */
extern JdgXidSet *jdg_xidset_take(void);

/* all transactions, in the current memory context; is this set that? */
extern JdgXidSet *jdg_xidset_all(void);
extern bool jdg_xidset_is_all(const JdgXidSet *set);

/* columns of type xid8 and xid8[], and back; both in the current context */
extern Datum jdg_xidset_xmax(const JdgXidSet *set);
extern Datum jdg_xidset_xip(const JdgXidSet *set);
extern JdgXidSet *jdg_xidset_read(Datum xmax, Datum xip);

extern bool jdg_xidset_equal(const JdgXidSet *a, const JdgXidSet *b);
extern JdgXidSet *jdg_xidset_copy(const JdgXidSet *set);

#endif							/* JDG_EVENT_XIDSET_H */
