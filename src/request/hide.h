/*-------------------------------------------------------------------------
 *
 * hide.h
 *	  Hides the secrets of an endpoint in what its service sends.
 *
 * A service may repeat what it was sent: a redirect has the path, and some
 * answers have the whole request.  Roles that may use an endpoint read results
 * and errors, and must not read its secrets there.  This is best effort: a
 * secret that a service has changed is not found.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_HIDE_H
#define JDG_REQUEST_HIDE_H

#include "endpoint/options.h"
#include "utils/jsonb.h"

/* the texts to hide, as char *, the longest first; NIL: there are none */
extern List *jdg_hide_list(const JdgSecrets *s);

/* Writes "***" in their place, in the text itself, which gets no longer. */
extern void jdg_hide_in_text(List *hidden, char *text);

/* The same for all strings and keys of a value; returns a new one. */
extern Jsonb *jdg_hide_in_json(List *hidden, Jsonb *json);

#endif							/* JDG_REQUEST_HIDE_H */
