/*-------------------------------------------------------------------------
 *
 * leaf.h
 *	  Leaves: the partitions of the event log.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_LEAF_H
#define JDG_EVENT_LEAF_H

#include "datatype/timestamp.h"

#include "event/topic.h"

typedef struct JdgLeaf
{
	int32		leaf;
	int32		topic_id;
	Oid			relid;
	int64		min_id;			/* of a sealed leaf; else 0 */
	int64		max_id;			/* of a sealed leaf; else PG_INT64_MAX */
	uint64		min_xid;		/* the same of transactions */
	uint64		max_xid;
} JdgLeaf;

/*
 * Makes a leaf, and the topic writes to it when the transaction commits.  The
 * caller holds JDG_LOCK_LEAF.  Inside jdg_internal_begin().
 */
extern void jdg_leaf_make(int32 topic_id, bool index_keys);

/*
 * Makes the table of a leaf with its indexes, and attaches it.  Inside
 * jdg_internal_begin().
 */
extern void jdg_leaf_make_table(int32 leaf, bool index_keys);

/*
 * Returns the OID of the topic's leaf for new events, made if there is none,
 * with RowExclusiveLock until the transaction ends.  So the leaf is not sealed
 * before.  Raises NOT_FOUND if the topic is dropped meanwhile.  Updates
 * topic->leaf.
 */
extern Oid	jdg_leaf_for_write(JdgTopic *topic);

/*
 * OIDs of a leaf and of its indexes; InvalidOid: it does not exist.  Those of
 * indexes are asked for while the leaf is locked.
 */
extern Oid	jdg_leaf_relation(int32 leaf);
extern Oid	jdg_leaf_id_index(int32 leaf);
extern Oid	jdg_leaf_key_index(int32 leaf);
extern Oid	jdg_leaf_xid_index(int32 leaf);

/*
 * The topic of the leaf's events; false: it was dropped, or the leaf is being
 * dropped.
 */
extern bool jdg_leaf_topic(int32 leaf, JdgTopic *topic);

/*
 * The leaves of all topics, or of n topics, as they are now: a transaction that
 * keeps its snapshot may have written to a newer leaf.  Sealed ones are left
 * out that have no id of the range, or no transaction from min_xid on.  In the
 * current memory context.  Returns their number.
 */
extern int	jdg_leaves(const int32 *topics, int n, int64 from, int64 to,
					   uint64 min_xid, JdgLeaf **leaves);

/*
 * Has the topic no events?  Keeps publishers away until the transaction ends.
 * An event that is not committed yet counts: "wait" waits for its transaction.
 * Only leaves of the topic are locked that are not sealed, and one other at a
 * time.
 * Inside jdg_internal_begin().
 */
extern bool jdg_leaf_topic_is_empty(int32 topic_id, bool wait);

/* ids of events and of transactions of a leaf */
typedef struct JdgLeafLimits
{
	int64		min_id;
	int64		max_id;
	uint64		min_xid;
	uint64		max_xid;
} JdgLeafLimits;

/*
 * The limits of the committed events of a leaf; false: it has none.  Only this
 * leaf is locked, however many there are.
 */
extern bool jdg_leaf_limits(int32 leaf, JdgLeafLimits *limits);

#endif							/* JDG_EVENT_LEAF_H */
