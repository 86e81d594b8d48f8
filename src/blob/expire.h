/*-------------------------------------------------------------------------
 *
 * expire.h
 *	  Deletion of blobs that have expired.
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BLOB_EXPIRE_H
#define JDG_BLOB_EXPIRE_H

#include "shared/database.h"

/* duty of the scheduler */
extern TimestampTz jdg_blob_expire(JdgDb *db, uint32 why);

#endif							/* JDG_BLOB_EXPIRE_H */
