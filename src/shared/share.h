/*-------------------------------------------------------------------------
 *
 * share.h
 *	  How much of a table in shared memory each role has.
 *
 * A table of the server has entries of many roles.  A role may hold one more
 * as long as it holds fewer than are left: one role at most half of them, two
 * roles a third each, n roles 1 / (n + 1), if they take at the same time and let
 * go (Choudhury and Hahne, 1998: dynamic thresholds).  A role counts once, in
 * all databases together.
 *
 * Roles that come one after another, and keep what they have, take half of what
 * is left each: ten of them have taken all but a thousandth.  So of the last
 * eighth, a role may take a 1024th of the table only, at least 2 entries.  Three
 * roles can take the rest; after them there is room for 64 others, whatever they
 * do, in a table of 1024 entries or more.  The last sixteenth is for entries that
 * are held without asking: rest lanes, gates of no role, and what a restart finds.
 *
 * A role that finds no room is not served worse than it must be.  Its tasks
 * without a lane run without turns, by its rest lane.  Its tasks with a limit
 * that cannot be counted wait: no limit is exceeded.
 *
 * The lock of the table protects this structure.  How many entries are held
 * are atomics: they may change under other locks, and never fail.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_SHARED_SHARE_H
#define JDG_SHARED_SHARE_H

#include "datatype/timestamp.h"
#include "port/atomics.h"

/* a role with entries in the table */
typedef struct JdgShare
{
	Oid			role;			/* InvalidOid: things of no role */
	int32		next;			/* with the same hash, or free; or -1 */
	int32		entries;		/* in the table, held or not */
	pg_atomic_uint32 held;
} JdgShare;

typedef struct JdgShares
{
	int32		size;			/* entries of the table */
	int32		free;
	Oid			refused;		/* the role that was refused last */
	TimestampTz refused_at;
	pg_atomic_uint32 held;		/* by all roles */
	JdgShare	share[FLEXIBLE_ARRAY_MEMBER];	/* and lists by hash */
} JdgShares;

/* for a table of this size; "init" only where shared memory is new */
extern Size jdg_shares_size(int size);
extern void jdg_shares_init(JdgShares *shares, int size);

/* The table has one entry more of a role, which is not held; or one less. */
extern JdgShare *jdg_share_add(JdgShares *shares, Oid role);
extern void jdg_share_remove(JdgShares *shares, JdgShare *share);

/*
 * May a role hold one entry more?  "part" is 1, or greater for entries of which
 * a role may have only a part of its share.
 */
extern bool jdg_share_may(JdgShares *shares, Oid role, int part);

/* notes that it may not */
extern void jdg_share_refuse(JdgShares *shares, Oid role, TimestampTz now);

/* an entry is held from now on, or no longer */
extern void jdg_share_hold(JdgShares *shares, JdgShare *share);
extern void jdg_share_let_go(JdgShares *shares, JdgShare *share);

/* the same as "may" and "hold" together; needs no lock of the table */
extern bool jdg_share_try_hold(JdgShares *shares, JdgShare *share);

/* for views: the entries that are held, by a role and by the role with most */
typedef struct JdgShareState
{
	int32		size;
	int32		held;
	Oid			most;			/* InvalidOid: none holds any */
	int32		held_by_most;
} JdgShareState;

extern void jdg_shares_state(JdgShares *shares, JdgShareState *state);
extern int32 jdg_share_held(JdgShares *shares, Oid role);

#endif							/* JDG_SHARED_SHARE_H */
