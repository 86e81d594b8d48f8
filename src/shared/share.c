/*-------------------------------------------------------------------------
 *
 * share.c
 *	  How much of a table in shared memory each role has, see share.h.
 *
 * Runs in any process.  A role has an entry here while it has one in the
 * table, so there is always room.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "shared/share.h"

#define NONE (-1)

/*
 * Parts of a table: the last one is for what is held without asking; the one
 * before it, for roles that hold few.
 */
#define LAST_PART	16			/* a sixteenth */
#define LITTLE_LEFT	8			/* an eighth, with the last part */
#define FEW			1024		/* a role with less holds few */

static int32 *
list_of(JdgShares *shares, Oid role)
{
	int32	   *lists = (int32 *) &shares->share[shares->size];

	return &lists[murmurhash32(role) % shares->size];
}

Size
jdg_shares_size(int size)
{
	return add_size(offsetof(JdgShares, share),
					mul_size(size, sizeof(JdgShare) + sizeof(int32)));
}

void
jdg_shares_init(JdgShares *shares, int size)
{
	memset(shares, 0, jdg_shares_size(size));
	shares->size = size;
	pg_atomic_init_u32(&shares->held, 0);
	for (int i = 0; i < size; i++)
	{
		((int32 *) &shares->share[size])[i] = NONE;
		pg_atomic_init_u32(&shares->share[i].held, 0);
		shares->share[i].next = i + 1 < size ? i + 1 : NONE;
	}
}

/* The entry of a role, or NULL. */
static JdgShare *
find(JdgShares *shares, Oid role)
{
	for (int32 i = *list_of(shares, role); i != NONE; i = shares->share[i].next)
	{
		if (shares->share[i].role == role)
			return &shares->share[i];
	}
	return NULL;
}

JdgShare *
jdg_share_add(JdgShares *shares, Oid role)
{
	JdgShare   *share = find(shares, role);
	int32	   *list = list_of(shares, role);

	if (share == NULL)
	{
		Assert(shares->free != NONE);
		share = &shares->share[shares->free];
		shares->free = share->next;
		share->role = role;
		share->entries = 0;
		share->next = *list;
		*list = share - shares->share;
	}
	share->entries++;
	return share;
}

void
jdg_share_remove(JdgShares *shares, JdgShare *share)
{
	int32		i = share - shares->share;
	int32	   *at = list_of(shares, share->role);

	if (--share->entries > 0)
		return;
	Assert(pg_atomic_read_u32(&share->held) == 0);
	while (*at != i)
		at = &shares->share[*at].next;
	*at = share->next;
	share->next = shares->free;
	shares->free = i;
}

/* May one more be held by who holds so many? */
static bool
may_hold(JdgShares *shares, uint32 held, int part)
{
	int64		left = (int64) shares->size - pg_atomic_read_u32(&shares->held);
	int64		counted = (int64) held * part;

	if (left <= shares->size / LAST_PART)
		return false;
	if (counted < Max(shares->size / FEW, 2))
		return true;
	return left > shares->size / LITTLE_LEFT && counted < left;
}

bool
jdg_share_may(JdgShares *shares, Oid role, int part)
{
	return may_hold(shares, jdg_share_held(shares, role), part);
}

void
jdg_share_refuse(JdgShares *shares, Oid role, TimestampTz now)
{
	shares->refused = role;
	shares->refused_at = now;
}

void
jdg_share_hold(JdgShares *shares, JdgShare *share)
{
	pg_atomic_fetch_add_u32(&share->held, 1);
	pg_atomic_fetch_add_u32(&shares->held, 1);
}

void
jdg_share_let_go(JdgShares *shares, JdgShare *share)
{
	pg_atomic_fetch_sub_u32(&share->held, 1);
	pg_atomic_fetch_sub_u32(&shares->held, 1);
}

bool
jdg_share_try_hold(JdgShares *shares, JdgShare *share)
{
	if (!may_hold(shares, pg_atomic_read_u32(&share->held), 1))
		return false;
	jdg_share_hold(shares, share);
	return true;
}

int32
jdg_share_held(JdgShares *shares, Oid role)
{
	JdgShare   *share = find(shares, role);

	return share == NULL ? 0 : pg_atomic_read_u32(&share->held);
}

void
jdg_shares_state(JdgShares *shares, JdgShareState *state)
{
	memset(state, 0, sizeof(JdgShareState));
	state->size = shares->size;
	state->held = pg_atomic_read_u32(&shares->held);
	for (int i = 0; i < shares->size; i++)
	{
		JdgShare   *share = &shares->share[i];
		int32		held = pg_atomic_read_u32(&share->held);

		if (held > state->held_by_most && OidIsValid(share->role))
		{
			state->held_by_most = held;
			state->most = share->role;
		}
	}
}
