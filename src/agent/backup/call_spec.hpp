#pragma once
// Only for this room's sources: how a Call becomes a process, and how a directory of ours is emptied whatever is in it.
#include "agent/backup/tools.hpp"

namespace belay::agent::backups {

Result<io::ProcessSpec> spec_of(const BackupHost& host, const backup::Job& job, Call what);

// Ends the processes that are at home in it, unmounts what is mounted in it, removes it. What cannot be is logged.
Status clear_directory(const BackupHost& host, const std::string& path);

}  // namespace belay::agent::backups
