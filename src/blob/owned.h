/*-------------------------------------------------------------------------
 *
 * owned.h
 *	  Owners of blobs for reassign_owned() and drop_owned().
 *
 *-------------------------------------------------------------------------
 */
#ifndef JDG_BLOB_OWNED_H
#define JDG_BLOB_OWNED_H

#include "access/owned.h"

extern const JdgOwned jdg_blob_owned[];

#endif							/* JDG_BLOB_OWNED_H */
