/*-------------------------------------------------------------------------
 *
 * transfer.h
 *	  Requests that are under way, in the process "jadugar http".
 *
 * A transfer belongs to the task of the same number in the process's slot.
 *
 *	  claimed -> begun (marked, committed) -> ended -> settled
 *
 * What it points to is in a memory context of its own, which goes with it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_TRANSFER_H
#define JDG_REQUEST_TRANSFER_H

#include "jadugar_http.h"

#include "endpoint/endpoint.h"
#include "request/response.h"
#include "shared/database.h"
#include "shared/slot.h"
#include "task/decide.h"
#include "task/task.h"

/* why the process itself ends a transfer */
typedef enum JdgStop
{
	JDG_STOP_NOT,
	JDG_STOP_CANCEL,			/* asked in the slot */
	JDG_STOP_DEADLINE,
	JDG_STOP_OPEN,				/* a breaker has opened; it was not sent */
	JDG_STOP_PROBE,				/* the endpoint is not there; it was not sent */
	JDG_STOP_SHUTDOWN			/* the process leaves */
} JdgStop;

typedef struct JdgConnections JdgConnections;

typedef struct JdgTransfer
{
	JdgHttpTransfer http;		/* first: the library returns this */
	MemoryContext mcxt;
	int64		task_id;
	int			attempt;
	Oid			owner;			/* of the task */
	TimestampTz started_at;		/* as in the row */
	int64		begun;			/* steady ms */
	int64		took;			/* from then to its end, in ms */
	int64		deadline;		/* steady ms */
	bool		hasty;			/* it has less time than it takes to connect */
	bool		suspect;		/* it was under way when this process crashed */
	JdgEndpoint endpoint;
	const char *host;			/* of a URL in the payload, or NULL */
	JdgRequest	request;
	JdgOutcome *unsent;			/* it is not sent, and ends so; or NULL */
	JdgHttpTransfer *own;		/* its own request, while it asks whether the
								 * endpoint is there; else NULL */
	JdgConnections *connections;
	bool		added;			/* the library has it */
	bool		ended;
	bool		told;			/* its gates know that it has ended */
	JdgStop		stop;
	bool		again;			/* it was stale once, and goes again */
	int			redirected;		/* redirects that it has followed */
	TimestampTz ended_at;
	int64		settle_at;		/* steady ms: its end is not settled before */
	int			failures;		/* attempts to settle it alone that failed */
	int			refusals;		/* of these, not for want of something that
								 * the server may have again */
	int			refusal_code;	/* SQLSTATE and message of the last one */
	char	   *refusal;
} JdgTransfer;

/* the library, once the process has started */
extern const JdgHttpLibrary *jdg_http;

/* of the tasks of jdg_http_slot, by number */
extern JdgTransfer **jdg_transfers;
extern int	jdg_ntransfers;
extern JdgSlot *jdg_http_slot;

/* --- connections.c --------------------------------------------------------- */

/*
 * Starts a transfer.  To an endpoint, or a host of a URL in the payload, without
 * a connection one goes first: each would start a thread to resolve the same
 * name.
 */
extern void jdg_connections_add(JdgTransfer *t);

/* it has ended, or is not to be sent; takes it from the library if need be */
extern void jdg_connections_remove(JdgTransfer *t);

/*
 * Starts transfers that wait for the first one of their endpoint, and closes
 * connections that nobody has used for a while.  Returns ms until the next call.
 */
extern long jdg_connections_tend(void);

/* Closes connections that nobody uses now: descriptors are missing. */
extern void jdg_connections_close_idle(void);

/* --- process.c ------------------------------------------------------------- */

/* ends a transfer that has not ended */
extern void jdg_transfer_stop(JdgTransfer *t, JdgStop why);

/* rows in state x that no slot has are the scheduler's to settle */
extern void jdg_requests_left(JdgDb *db);

/* --- outcome.c ------------------------------------------------------------- */

/* the response of a transfer that was answered */
extern void jdg_transfer_response(const JdgTransfer *t, JdgResponse *resp);

/* so many refusals, and its end is settled as an error in place of its result */
#define JDG_REFUSALS_MAX 8

/* how one that was not answered has ended; false: it says nothing */
extern bool jdg_transfer_call_end(const JdgTransfer *t, JdgCallEnd *end);

/* --- probe.c --------------------------------------------------------------- */

/*
 * A transfer that has not begun probes a breaker: it first asks whether the
 * endpoint is there, if it can.  In a transaction.
 */
extern void jdg_probe_begin(JdgTransfer *t, const JdgTask *task);

/* It has asked: may its own request be sent?  Then it is set up for that. */
extern bool jdg_probe_passed(JdgTransfer *t);

/* It has asked: is the endpoint not there?  False if nobody knows. */
extern bool jdg_probe_failed(const JdgTransfer *t);

/* --- redirect.c ------------------------------------------------------------ */

/*
 * Is the answer of this transfer a redirect that it may follow?  Then it is set
 * up to be sent to that URL.
 */
extern bool jdg_redirect_follow(JdgTransfer *t);

/* --- health.c -------------------------------------------------------------- */

/*
 * Tells the gates which calls have ended or are slow, once each.  Returns ms
 * until the next call will be slow, or -1.  Outside a transaction.
 */
extern long jdg_requests_tell(void);

/* --- make.c ---------------------------------------------------------------- */

/*
 * The transfer of a task that was claimed.  It has ended if its request cannot
 * be made.  In a transaction.
 */
extern JdgTransfer *jdg_transfer_make(const JdgTask *task, TimestampTz now);

/* sets method, URL, headers and body of the library's part */
extern void jdg_transfer_set_request(JdgTransfer *t, const JdgRequest *r);

/* --- room.c ---------------------------------------------------------------- */

/* how many requests more a role may have under way */
extern int	jdg_room_places(Oid owner);

/*
 * Is there memory for one more?  "batch": others that begin with it; an entry
 * may be NULL.  If not, the role has no places until there is.
 */
extern bool jdg_room_fits(const JdgTransfer *t, JdgTransfer *const *batch,
						  int n);

/* --- changes.c ------------------------------------------------------------- */

/*
 * The breaker of this transfer's endpoint may have opened or closed: logs it, and
 * keeps its event.  Outside a transaction.
 */
extern void jdg_endpoint_changed(const JdgTransfer *t);

/* publishes these events, in a transaction; and it has committed */
extern void jdg_endpoint_publish_changes(void);
extern void jdg_endpoint_changes_published(void);

/* --- remember.c ------------------------------------------------------------ */

/* the attempt of a transfer has ended so; in the transaction that settles it */
extern void jdg_endpoint_remember(const JdgTransfer *t, const JdgOutcome *o);

/* --- begin.c --------------------------------------------------------------- */

/*
 * Claims tasks, marks them, and starts their transfers; returns whether there
 * may be more.  Outside a transaction.
 */
extern bool jdg_requests_begin(void);

/* after an error in it, and the abort */
extern void jdg_requests_begin_failed(void);

/* --- finish.c -------------------------------------------------------------- */

/*
 * When the end of a transfer is to be settled, in steady ms; -1: none has
 * ended.
 */
extern int64 jdg_requests_finish_at(void);

/*
 * Settles transfers that have ended, up to one transaction full.  A row that
 * another transaction has locked is tried again in a moment.  Outside a
 * transaction.
 */
extern void jdg_requests_finish(void);

/*
 * After this error in it, and the abort: the ends are tried again one by one.
 * Returns whether the error may be that of one of them alone, which then has to
 * wait, and the others have not.
 */
extern bool jdg_requests_finish_failed(const ErrorData *error);

#endif							/* JDG_REQUEST_TRANSFER_H */
