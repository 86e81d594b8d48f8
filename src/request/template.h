/*-------------------------------------------------------------------------
 *
 * template.h
 *	  Requests of HTTP handlers.
 *
 * The row of an HTTP handler has a template: the payload of its requests but
 * for the fields of the task's payload, which "{field}" stands for.  The row
 * of a task keeps the payload of its author.  jdg_template_fill() alone makes
 * the payload of the request from both, when a task is enqueued, for the
 * check, and again when its request is sent.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_REQUEST_TEMPLATE_H
#define JDG_REQUEST_TEMPLATE_H

#include "utils/array.h"

#include "handler/handler.h"
#include "task/task.h"

/* the part of a payload that is sent as the body */
typedef enum JdgTemplateBody
{
	JDG_TEMPLATE_REST,			/* the fields that are used nowhere else */
	JDG_TEMPLATE_ALL,
	JDG_TEMPLATE_NONE
} JdgTemplateBody;

/* their words, for arguments */
extern const char *const jdg_template_bodies[];

/* the arguments of a template; NULL: not given */
typedef struct JdgTemplate
{
	char	   *endpoint;
	char	   *path;
	char	   *method;
	Jsonb	   *query;
	Jsonb	   *headers;
	int		   *body;			/* JdgTemplateBody */
	ArrayType  *expect;
} JdgTemplate;

/*
 * Makes the template of handler "name".  Checks it by the rules of requests as
 * the current user, and that the payload type, if there is one, has the fields.
 * Raises VALIDATION_ERROR, NOT_FOUND or FORBIDDEN.  Outside
 * jdg_internal_begin().
 */
extern Jsonb *jdg_template_make(const char *name, const JdgTemplate *t,
								const char *payload_type);

/*
 * The payload of the request of an HTTP handler for the payload of a task.
 * Raises VALIDATION_ERROR with the name of a field that cannot be used.  It
 * reads no tables.
 */
extern Jsonb *jdg_template_fill(const JdgHandler *h, Jsonb *payload);

/*
 * The payload of the request of a task: its own, or that of its handler.
 * Raises NOT_FOUND, FORBIDDEN or CONFLICT if the handler cannot be used any
 * more.
 */
extern Jsonb *jdg_template_of_task(const JdgTask *t);

#endif							/* JDG_REQUEST_TEMPLATE_H */
