/*-------------------------------------------------------------------------
 *
 * owned.h
 *	  What a role owns: reassign_owned(), drop_owned().
 *
 * Each module that has owners in its tables describes the kinds of its objects
 * (JdgRoleUse in base/module.h).
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_ACCESS_OWNED_H
#define JDG_ACCESS_OWNED_H

#include "base/module.h"
#include "base/spi.h"

/* a call of reassign_owned() or drop_owned() */
typedef struct JdgHandover
{
	Oid			from;			/* may have been dropped */
	Oid			to;				/* InvalidOid: objects are dropped */
	Oid			caller;
	bool		dry_run;		/* change nothing */
	const char *kind;			/* of the objects being dealt with */
	int64		done;			/* objects reported without a problem */
	struct Tuplestorestate *rows;	/* of the result */
	struct TupleDescData *desc;
} JdgHandover;

/*
 * A kind of objects.  Both functions deal with all objects of h->from, and
 * report each: to h->to, or without owner.  They run inside
 * jdg_internal_begin(), and never wait for a worker.  A kind without
 * "reassign" or "drop" cannot be given away or dropped.  A list of kinds ends
 * with a NULL name.
 */
typedef struct JdgOwned
{
	const char *kind;
	void		(*reassign) (JdgHandover *h);
	void		(*drop) (JdgHandover *h);
} JdgOwned;

/* reports an object; problem NULL: it is dealt with, else the reason why not */
extern void jdg_handover_report(JdgHandover *h, const char *name,
								const char *problem);

/*
 * Reports the names and problems that a query returns, in batches; returns
 * their number.
 */
extern int64 jdg_handover_list(JdgHandover *h, JdgQuery *list, Datum *values);

/*
 * Runs queries with the arguments h->from and h->to.  "list" returns names and
 * problems, which are reported.  Unless it is a dry run, "changes" then change
 * the objects without a problem; the list ends with a NULL text.
 */
extern void jdg_handover_rows(JdgHandover *h, JdgQuery *list,
							  JdgQuery *changes);

#endif							/* JDG_ACCESS_OWNED_H */
