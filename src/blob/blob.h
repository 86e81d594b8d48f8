/*-------------------------------------------------------------------------
 *
 * blob.h
 *	  Blobs: bytes that a role keeps for a time, under a number.
 *
 * Tasks name a blob where its bytes would be too large for a payload or a
 * result.  All functions are called in a transaction, inside or outside of
 * jdg_internal_begin().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BLOB_BLOB_H
#define JDG_BLOB_BLOB_H

#include "fmgr.h"
#include "utils/timestamp.h"

/* maximum length of a media type, in bytes */
#define JDG_BLOB_TYPE_MAX 255

/* for how long the response of a service is kept, in microseconds */
#define JDG_BLOB_RESPONSE_TTL (7 * USECS_PER_DAY)

typedef struct JdgBlob
{
	int64		blob_id;
	Oid			owner;
	char	   *tenant;			/* NULL: none */
	char	   *type;			/* a media type, or NULL */
	int64		size;			/* in bytes */
	TimestampTz expires_at;
	bytea	   *data;			/* NULL if it was not asked for */
} JdgBlob;

/* jadugar.max_blob_size, in bytes */
extern int64 jdg_blob_max_size(void);

/* is it a media type that can be sent, such as "text/plain; charset=utf-8"? */
extern bool jdg_blob_is_type(const char *type);

/*
 * Raises VALIDATION_ERROR for a text that cannot be a media type, such as
 * "text/plain; charset=utf-8".  It is sent as it is, so it has no control
 * character.  NULL is accepted.
 */
extern void jdg_blob_check_type(const char *argument, const char *type);

/*
 * Reads a blob for a role, with or without its data, in the current memory
 * context.  Raises NOT_FOUND if there is none or it has expired, FORBIDDEN if
 * the role may not act on it.  For a role that is confined, a blob of another
 * tenant does not exist.
 */
extern void jdg_blob_read(int64 blob_id, Oid role, bool with_data,
						  JdgBlob *blob);

/* The same without its data; false: there is none, or it has expired. */
extern bool jdg_blob_find(int64 blob_id, Oid role, JdgBlob *blob);

/*
 * Writes a blob and returns its id.  0: there is no room in
 * jadugar.max_blob_total.  The caller has checked size, type and tenant, and
 * has recorded the owner (access/owner.h).
 */
extern int64 jdg_blob_write(Oid owner, const char *tenant, const char *type,
							bytea *data, TimestampTz now,
							TimestampTz expires_at);

/*
 * Deletes a blob on which the role may act.  Raises errors as jdg_blob_read().
 * Returns what it was, without data.
 */
extern void jdg_blob_delete(int64 blob_id, Oid role, JdgBlob *blob);

#endif							/* JDG_BLOB_BLOB_H */
