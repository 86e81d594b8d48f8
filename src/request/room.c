/*-------------------------------------------------------------------------
 *
 * room.c
 *	  How many requests may be under way: places and memory, a share for each
 *	  role.
 *
 * Runs in the process "jadugar http".  As in share.h, a role may take one more
 * as long as it has less than is left: one role alone half of all, n roles
 * 1 / (n + 1) each.  So services that do not answer hold up the role that calls
 * them, and others find room.
 *
 * Memory is that of bodies.  Those of requests are counted, and those of
 * responses as they arrive; a response that may have more than BIG bytes counts
 * in full from the start.  What is under way is never ended for want of memory,
 * so jadugar.http_memory may be exceeded by BIG bytes for each request.  One
 * transfer counts for half of the memory at most, or it would never begin.
 *
 * A role whose next request does not fit is left out until it would.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "request/transfer.h"

/* larger responses count in full from the start */
#define BIG (1024 * 1024)

/* roles that have a request which did not fit */
#define REFUSED_MAX 64
static struct
{
	Oid			owner;
	int64		bytes;
}			refused[REFUSED_MAX];
static int	nrefused = 0;

static int64
memory(void)
{
	return (int64) jdg_http_memory * 1024;
}

/* what a transfer counts for, in bytes */
static int64
bytes_of(const JdgTransfer *t)
{
	const JdgHttpTransfer *request = t->own ? t->own : &t->http;
	int64		response = (int64) t->http.answer_size;

	if (request->max_answer > BIG)
		response = Max(response, (int64) request->max_answer);
	return Min((int64) request->body_size + response, memory() / 2);
}

/* Do so many bytes more of a role fit? */
static bool
fits(Oid owner, int64 bytes, JdgTransfer *const *batch, int n)
{
	int64		left = memory() - bytes;
	int64		own = 0;

	for (int i = 0; i < jdg_ntransfers + n; i++)
	{
		const JdgTransfer *t = i < jdg_ntransfers ? jdg_transfers[i] :
		batch[i - jdg_ntransfers];
		int64		each = t ? bytes_of(t) : 0;

		left -= each;
		if (t && t->owner == owner)
			own += each;
	}
	return left >= 0 && (own == 0 || own + bytes <= left);
}

/* A role has a request of so many bytes that does not fit. */
static void
refuse(Oid owner, int64 bytes)
{
	int			i = 0;

	while (i < nrefused && refused[i].owner != owner)
		i++;
	if (i == REFUSED_MAX)
		i = nrefused = 0;
	refused[i].owner = owner;
	refused[i].bytes = bytes;
	nrefused = Max(nrefused, i + 1);
}

bool
jdg_room_fits(const JdgTransfer *t, JdgTransfer *const *batch, int n)
{
	int64		bytes = bytes_of(t);

	if (fits(t->owner, bytes, batch, n))
		return true;
	refuse(t->owner, bytes);
	return false;
}

/* Has the role a request that still does not fit? */
static bool
is_refused(Oid owner)
{
	for (int i = 0; i < nrefused; i++)
	{
		if (refused[i].owner != owner)
			continue;
		if (!fits(owner, refused[i].bytes, NULL, 0))
			return true;
		refused[i--] = refused[--nrefused];
	}
	return false;
}

int
jdg_room_places(Oid owner)
{
	int			left = jdg_http_slot->max_tasks - jdg_http_slot->ntasks;
	int			own = 0;

	for (int i = 0; i < jdg_http_slot->ntasks; i++)
		own += jdg_http_slot->task[i].owner == owner;
	if (left <= own || is_refused(owner))
		return 0;
	return (left - own + 1) / 2;
}
