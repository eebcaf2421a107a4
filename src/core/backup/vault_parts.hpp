#pragma once
// Inside of vault.cpp: where each kind of vault is.
#include "core/backup/parts.hpp"
#include "core/backup/vault.hpp"

namespace belay::backup::parts {

SftpPlace read_sftp(const Place& place);
S3Place read_s3(const Place& place);
RestPlace read_rest(const Place& place);
RemovablePlace read_removable(const Place& place);
TapePlace read_tape(const Place& place);

}  // namespace belay::backup::parts
