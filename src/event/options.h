/*-------------------------------------------------------------------------
 *
 * options.h
 *	  Options of a subscription, as subscribe() and alter_subscription() get
 *	  them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_EVENT_OPTIONS_H
#define JDG_EVENT_OPTIONS_H

#include "catalog/pg_type.h"
#include "utils/jsonpath.h"

#include "base/args.h"
#include "base/params.h"

/* what is NULL is not given */
typedef struct JdgSubscriptionOptions
{
	char	   *name;
	ArrayType  *types;
	char	   *handler;
	ArrayType  *topics;
	ArrayType  *keys;
	Jsonb	   *headers;
	JsonPath   *filter;
	int32	   *shards;
	int32	   *batch;
	int		   *delivery;		/* in jdg_delivery_words */
	int		   *on_failure;		/* in jdg_on_failure_words */
	int32	   *max_attempts;
	Jsonb	   *retry;
	Interval   *timeout;
	bool	   *isolate;
	Jsonb	   *settings;
	Jsonb	   *versions;
	char	   *queue;
	int32	   *priority;
	bool	   *enabled;
	char	   *description;
	Jsonb	   *metadata;
	char	   *owner;
} JdgSubscriptionOptions;

extern const char *const jdg_delivery_words[];

/* the word of a letter of subscription.delivery, in jdg_delivery_words */
extern int	jdg_delivery_word(char letter);

extern const char *const jdg_on_failure_words[];

/* the arguments, for a struct that begins with the options */
#define JDG_SUBSCRIPTION_ARG(field) offsetof(JdgSubscriptionOptions, field)

#define JDG_SUBSCRIPTION_WHICH_ARGS(rule) \
	{"name", TEXTOID, JDG_SUBSCRIPTION_ARG(name), JDG_NEEDED}, \
	{"types", TEXTARRAYOID, JDG_SUBSCRIPTION_ARG(types), rule}, \
	{"handler", TEXTOID, JDG_SUBSCRIPTION_ARG(handler), JDG_RESETTABLE}, \
	{"topics", TEXTARRAYOID, JDG_SUBSCRIPTION_ARG(topics), JDG_RESETTABLE}, \
	{"keys", TEXTARRAYOID, JDG_SUBSCRIPTION_ARG(keys), JDG_RESETTABLE}, \
	{"headers", JSONBOID, JDG_SUBSCRIPTION_ARG(headers), JDG_RESETTABLE}, \
	{"filter", JSONPATHOID, JDG_SUBSCRIPTION_ARG(filter), JDG_RESETTABLE}

#define JDG_SUBSCRIPTION_HOW_ARGS \
	{"shards", INT4OID, JDG_SUBSCRIPTION_ARG(shards)}, \
	{"batch", INT4OID, JDG_SUBSCRIPTION_ARG(batch), JDG_RESETTABLE}, \
	{"delivery", TEXTOID, JDG_SUBSCRIPTION_ARG(delivery), JDG_RESETTABLE, \
	jdg_delivery_words}, \
	{"on_failure", TEXTOID, JDG_SUBSCRIPTION_ARG(on_failure), JDG_RESETTABLE, \
	jdg_on_failure_words}, \
	{"max_attempts", INT4OID, JDG_SUBSCRIPTION_ARG(max_attempts), \
	JDG_RESETTABLE}, \
	{"retry", JSONBOID, JDG_SUBSCRIPTION_ARG(retry), JDG_RESETTABLE}, \
	{"timeout", INTERVALOID, JDG_SUBSCRIPTION_ARG(timeout), JDG_RESETTABLE}, \
	{"isolate", BOOLOID, JDG_SUBSCRIPTION_ARG(isolate), JDG_RESETTABLE}, \
	{"settings", JSONBOID, JDG_SUBSCRIPTION_ARG(settings), JDG_RESETTABLE}, \
	{"versions", JSONBOID, JDG_SUBSCRIPTION_ARG(versions), JDG_RESETTABLE}, \
	{"queue", TEXTOID, JDG_SUBSCRIPTION_ARG(queue), JDG_RESETTABLE}, \
	{"priority", INT4OID, JDG_SUBSCRIPTION_ARG(priority), JDG_RESETTABLE}, \
	{"enabled", BOOLOID, JDG_SUBSCRIPTION_ARG(enabled), JDG_RESETTABLE}, \
	{"description", TEXTOID, JDG_SUBSCRIPTION_ARG(description), \
	JDG_RESETTABLE}, \
	{"metadata", JSONBOID, JDG_SUBSCRIPTION_ARG(metadata), JDG_RESETTABLE}, \
	{"owner", TEXTOID, JDG_SUBSCRIPTION_ARG(owner)}

/* Checks the options that are given, each by itself. */
extern void jdg_subscription_check(const JdgSubscriptionOptions *o);

/* Checks options that go with some kinds of delivery only, and the handler. */
extern void jdg_subscription_check_delivery(const JdgSubscriptionOptions *o);

/*
 * Binds all options but shards, with null for those not given: name, types,
 * topics, and so on.  Looks topics and the queue up.
 */
extern void jdg_subscription_bind(JdgParams *p, const JdgSubscriptionOptions *o,
								  Oid owner);

/*
 * The command of the handler: SQL with $1, or the name of a handler.  0: it has
 * none, with delivery => 'fetch'.
 */
extern int64 jdg_subscription_command(const JdgSubscriptionOptions *o,
									  Oid owner);

#endif							/* JDG_EVENT_OPTIONS_H */
