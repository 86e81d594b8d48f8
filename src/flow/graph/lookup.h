/*-------------------------------------------------------------------------
 *
 * lookup.h
 *	  Flows and drafts by name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_FLOW_GRAPH_LOOKUP_H
#define JDG_FLOW_GRAPH_LOOKUP_H

/*
 * The version of a named flow of "owner", 0: the newest.  Returns 0 if there
 * is none.  Inside or outside jdg_internal_begin().
 */
extern int64 jdg_flow_version_find(Oid owner, const char *name, int version);

/*
 * Is there a draft of that name?  Else *version_id is the newest version, 0:
 * there is none.  Inside or outside.
 */
extern bool jdg_flow_is_draft(Oid owner, const char *name,
							  int64 *version_id);

/* a resolver of command names (handler/command.h): flows and drafts */
extern char *jdg_flow_resolve_name(Oid owner, const char *name);

#endif							/* JDG_FLOW_GRAPH_LOOKUP_H */
