/*-------------------------------------------------------------------------
 *
 * depth.c
 *	  Places of bounded queues, see depth.h.
 *
 * Runs in any process.  JdgSharedLock protects which gauge is whose, the
 * spinlock of a gauge all of its other fields.  A process that has pinned a
 * gauge uses it without JdgSharedLock, so commit callbacks need none.
 *
 * Why a count is never too low.  The count sees a committed change from some
 * instant between "begin" and "end" on.  Tasks added by commits since "begin"
 * are added again, whether it has seen them or not.  Tasks that a commit under
 * way removes are added, since its callback will subtract them.  The count is
 * exact if no commit was under way when it began and none came in between.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "shared/depth.h"
#include "shared/feed.h"
#include "shared/shmem.h"

/* number of lists to find gauges */
#define NLISTS 1024

/* a full queue is counted again after this time, for changes by hand */
#define COUNT_AGAIN (10 * USECS_PER_SEC)

/* the same, if others committed during the last count */
#define COUNT_SOON USECS_PER_SEC

struct JdgDepth
{
	/* under JdgSharedLock; key: also under mutex */
	Oid			dboid;			/* InvalidOid: unused */
	int32		queue_id;
	int			next;			/* in its list, -1: the last */

	slock_t		mutex;
	int			pins;			/* of transactions */
	bool		counted;		/* "committed" is not too low */
	bool		doubt;			/* it may be too high */
	TimestampTz counted_at;		/* 0: a count is due */
	int64		committed;		/* places of committed tasks */
	int64		open;			/* places of open transactions */
	int64		waiting;		/* places of those that wait for room */
	int64		leaving;		/* tasks that commits under way remove */
	int			ending;			/* commits under way */
	int64		added;			/* tasks that commits have ever added */
	uint64		generation;		/* changes with each commit */
	ConditionVariable room;
	bool		watched;		/* feeds wait for room */
	int64		told_max;		/* bound at which it was told; 0: it was not */
};

typedef struct Depths
{
	int			list[NLISTS];	/* the first gauge of each, or -1 */
	int			hand;			/* where to look for an unused gauge */
	JdgDepth	depth[JDG_DEPTHS_MAX];
} Depths;

static Depths *depths = NULL;

static Size
depths_size(void)
{
	return sizeof(Depths);
}

static void
depths_init(void *at, bool found)
{
	depths = at;
	if (found)
		return;
	memset(depths, 0, sizeof(Depths));
	for (int i = 0; i < NLISTS; i++)
		depths->list[i] = -1;
	for (int i = 0; i < JDG_DEPTHS_MAX; i++)
	{
		SpinLockInit(&depths->depth[i].mutex);
		ConditionVariableInit(&depths->depth[i].room);
	}
}

const JdgShmemPart jdg_depths_shmem = {
	"jadugar depths", depths_size, depths_init
};

static int
list_of(Oid dboid, int32 queue_id)
{
	return hash_combine(murmurhash32(dboid), murmurhash32((uint32) queue_id)) %
		NLISTS;
}

/* Pins a gauge if it is that of the queue. */
static bool
pin_if(JdgDepth *d, int32 queue_id)
{
	bool		is_it;

	SpinLockAcquire(&d->mutex);
	is_it = d->dboid == MyDatabaseId && d->queue_id == queue_id;
	if (is_it)
		d->pins++;
	SpinLockRelease(&d->mutex);
	return is_it;
}

/* The pinned gauge of the queue, or NULL.  The caller holds JdgSharedLock. */
static JdgDepth *
find(int32 queue_id)
{
	for (int i = depths->list[list_of(MyDatabaseId, queue_id)]; i >= 0;
		 i = depths->depth[i].next)
	{
		if (pin_if(&depths->depth[i], queue_id))
			return &depths->depth[i];
	}
	return NULL;
}

/* Takes gauge i, of a queue of that database, out of its list. */
static void
unlink_depth(int i, Oid dboid)
{
	int		   *at = &depths->list[list_of(dboid, depths->depth[i].queue_id)];

	while (*at != i)
		at = &depths->depth[*at].next;
	*at = depths->depth[i].next;
}

/*
 * Makes gauge i that of the queue, pinned, unless it is pinned.  The caller
 * holds JdgSharedLock exclusively.
 */
static bool
reuse(int i, int32 queue_id)
{
	JdgDepth   *d = &depths->depth[i];
	int		   *list = &depths->list[list_of(MyDatabaseId, queue_id)];
	Oid			dboid;
	bool		is_free;

	/* pinned from here on, but by nobody who still knows its old key */
	SpinLockAcquire(&d->mutex);
	is_free = d->pins == 0;
	dboid = d->dboid;
	if (is_free)
	{
		d->pins = 1;
		d->dboid = InvalidOid;
	}
	SpinLockRelease(&d->mutex);
	if (!is_free)
		return false;
	if (OidIsValid(dboid))
		unlink_depth(i, dboid);
	SpinLockAcquire(&d->mutex);
	d->dboid = MyDatabaseId;
	d->queue_id = queue_id;
	d->counted = false;
	d->committed = d->open = d->waiting = d->leaving = 0;
	d->ending = 0;
	d->told_max = 0;
	d->generation++;
	SpinLockRelease(&d->mutex);
	d->next = *list;
	*list = i;
	return true;
}

/* The same for a gauge that is found or made; NULL: all are pinned. */
static JdgDepth *
find_or_make(int32 queue_id)
{
	JdgDepth   *d;

	LWLockAcquire(JdgSharedLock, LW_EXCLUSIVE);
	d = find(queue_id);
	for (int n = 0; d == NULL && n < JDG_DEPTHS_MAX; n++)
	{
		int			i = depths->hand;

		depths->hand = (i + 1) % JDG_DEPTHS_MAX;
		if (reuse(i, queue_id))
			d = &depths->depth[i];
	}
	LWLockRelease(JdgSharedLock);
	return d;
}

JdgDepth *
jdg_depth_pin(int32 queue_id)
{
	static JdgDepth *last = NULL;
	JdgDepth   *d;

	if (last != NULL && pin_if(last, queue_id))
		return last;
	LWLockAcquire(JdgSharedLock, LW_SHARED);
	d = find(queue_id);
	LWLockRelease(JdgSharedLock);
	if (d == NULL)
		d = find_or_make(queue_id);
	if (d != NULL)
		last = d;
	return d;
}

void
jdg_depth_unpin(JdgDepth *d)
{
	SpinLockAcquire(&d->mutex);
	d->pins--;
	SpinLockRelease(&d->mutex);
}

/*
 * There has been room again since the queue was told to be full: what frees
 * places need not look, as those who take some do.  The caller holds the mutex.
 */
static void
forget_told(JdgDepth *d)
{
	if (d->committed + d->open <= d->told_max - Max(d->told_max / 10, 1))
		d->told_max = 0;
}

bool
jdg_depth_take(JdgDepth *d, int64 n, int64 max_depth)
{
	bool		done;

	SpinLockAcquire(&d->mutex);
	forget_told(d);
	done = d->counted && d->committed + d->open + n <= max_depth;
	if (done)
		d->open += n;
	SpinLockRelease(&d->mutex);
	return done;
}

void
jdg_depth_add(JdgDepth *d, int64 n)
{
	SpinLockAcquire(&d->mutex);
	forget_told(d);
	d->open += n;
	SpinLockRelease(&d->mutex);
}

bool
jdg_depth_tells(JdgDepth *d, int64 max_depth)
{
	bool		tells;

	SpinLockAcquire(&d->mutex);
	tells = d->counted && d->committed + d->open >= max_depth &&
		d->told_max != max_depth;
	if (tells)
		d->told_max = max_depth;
	SpinLockRelease(&d->mutex);
	return tells;
}

int64
jdg_depth_held(JdgDepth *d)
{
	int64		held;

	SpinLockAcquire(&d->mutex);
	held = d->committed + d->open;
	SpinLockRelease(&d->mutex);
	return held;
}

void
jdg_depth_ending(JdgDepth *d, JdgDepthChange *c)
{
	Assert(!c->ending);
	SpinLockAcquire(&d->mutex);
	d->ending++;
	d->leaving += c->freed;
	d->generation++;
	SpinLockRelease(&d->mutex);
	c->ending = true;
}

/*
 * A count is due, also after one that is under way: it may have counted tasks
 * of a prepared transaction twice.  The caller holds the mutex.
 */
static void
doubt(JdgDepth *d)
{
	d->doubt = true;
	d->counted_at = 0;
	d->generation++;
}

/*
 * The transaction, or a part of it, is over.  The caller holds the mutex.
 */
static void
end(JdgDepth *d, const JdgDepthChange *c)
{
	d->open -= c->taken;
	d->waiting -= c->waiting;
	if (!c->ending)
		return;
	d->leaving -= c->freed;
	d->ending--;
	d->generation++;
}

/* There may be room: wakes sessions and feeds that wait for it. */
static void
tell_room(JdgDepth *d)
{
	bool		watched;
	Oid			dboid;
	int32		queue_id;

	SpinLockAcquire(&d->mutex);
	watched = d->watched;
	d->watched = false;
	dboid = d->dboid;
	queue_id = d->queue_id;
	SpinLockRelease(&d->mutex);
	ConditionVariableBroadcast(&d->room);
	if (watched)
		jdg_feeds_room(dboid, queue_id);
}

void
jdg_depth_committed(JdgDepth *d, const JdgDepthChange *c)
{
	SpinLockAcquire(&d->mutex);
	end(d, c);
	d->committed += c->inserted - c->freed;
	d->added += c->inserted;
	SpinLockRelease(&d->mutex);
	if (c->freed > 0 || c->taken > c->inserted)
		tell_room(d);
}

void
jdg_depth_prepared(JdgDepth *d, const JdgDepthChange *c)
{
	SpinLockAcquire(&d->mutex);
	end(d, c);
	/* it may yet commit or not: the worse of both */
	d->committed += c->taken;
	d->added += c->inserted;
	doubt(d);
	SpinLockRelease(&d->mutex);
}

void
jdg_depth_aborted(JdgDepth *d, const JdgDepthChange *c)
{
	SpinLockAcquire(&d->mutex);
	end(d, c);
	/* a count may have expected that its tasks leave */
	if (c->ending && c->freed > 0)
		doubt(d);
	if (c->told)
		d->told_max = 0;
	SpinLockRelease(&d->mutex);
	if (c->taken > 0)
		tell_room(d);
}

bool
jdg_depth_count_due(JdgDepth *d)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		due;

	SpinLockAcquire(&d->mutex);
	due = !d->counted || now < d->counted_at ||
		now - d->counted_at > (d->doubt ? COUNT_SOON : COUNT_AGAIN);
	SpinLockRelease(&d->mutex);
	return due;
}

bool
jdg_depth_in_doubt(JdgDepth *d)
{
	bool		in_doubt;

	SpinLockAcquire(&d->mutex);
	in_doubt = d->doubt;
	SpinLockRelease(&d->mutex);
	return in_doubt;
}

void
jdg_depth_count_begin(JdgDepth *d, JdgDepthCount *count)
{
	SpinLockAcquire(&d->mutex);
	count->added = d->added;
	count->generation = d->generation;
	count->quiet = d->ending == 0;
	count->counted = d->counted;
	SpinLockRelease(&d->mutex);
}

bool
jdg_depth_count_end(JdgDepth *d, const JdgDepthCount *count, int64 rows)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		exact;
	bool		more;

	SpinLockAcquire(&d->mutex);
	exact = count->quiet && count->generation == d->generation;
	rows += d->added - count->added + d->leaving;
	more = rows < d->committed;
	if (exact || !d->counted || more)
		d->committed = rows;
	if (exact)
		d->doubt = false;
	else if (!d->counted)
		d->doubt = true;
	/* unless the gauge was forgotten meanwhile */
	d->counted |= !count->counted;
	d->counted_at = now;
	SpinLockRelease(&d->mutex);
	/* there is more room than others have seen */
	if (more)
		tell_room(d);
	return exact;
}

void
jdg_depth_note_waiting(JdgDepth *d, int64 n)
{
	Assert(LWLockHeldByMe(JdgSharedLock));
	SpinLockAcquire(&d->mutex);
	d->waiting += n;
	SpinLockRelease(&d->mutex);
}

bool
jdg_depth_stuck(JdgDepth *d, int64 n, int64 max_depth)
{
	bool		stuck;

	Assert(LWLockHeldByMe(JdgSharedLock));
	SpinLockAcquire(&d->mutex);
	stuck = d->counted && d->committed + d->open <= d->waiting &&
		d->committed + d->open + n > max_depth;
	SpinLockRelease(&d->mutex);
	return stuck;
}

void
jdg_depth_wake(JdgDepth *d)
{
	ConditionVariableBroadcast(&d->room);
}

void
jdg_depth_watch(JdgDepth *d)
{
	SpinLockAcquire(&d->mutex);
	d->watched = true;
	SpinLockRelease(&d->mutex);
}

ConditionVariable *
jdg_depth_room(JdgDepth *d)
{
	return &d->room;
}

/* Calls back for each gauge of a database, under its mutex; then wakes. */
static void
change_all(Oid dboid, void (*change) (JdgDepth *depth))
{
	if (depths == NULL)
		return;
	for (int i = 0; i < JDG_DEPTHS_MAX; i++)
	{
		JdgDepth   *d = &depths->depth[i];
		bool		is_its;

		SpinLockAcquire(&d->mutex);
		is_its = d->dboid == dboid;
		if (is_its && change)
			change(d);
		SpinLockRelease(&d->mutex);
		if (is_its)
			tell_room(d);
	}
}

static void
forget(JdgDepth *d)
{
	d->counted = false;
	d->generation++;
}

void
jdg_depths_wake(Oid dboid)
{
	change_all(dboid, NULL);
}

void
jdg_depths_doubt(Oid dboid)
{
	change_all(dboid, doubt);
}

void
jdg_depths_forget(Oid dboid)
{
	change_all(dboid, forget);
}
