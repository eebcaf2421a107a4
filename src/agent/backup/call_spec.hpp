#pragma once
// Only for this room's sources: how a Call becomes a process.
#include "agent/backup/tools.hpp"

namespace belay::agent::backups {

Result<io::ProcessSpec> spec_of(const BackupHost& host, const backup::Job& job, Call what);

}  // namespace belay::agent::backups
