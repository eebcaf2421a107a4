#pragma once
// Each minute, without a key: does the server answer, are its binary logs those that follow what is archived, when was
// the last heartbeat, how much is not archived yet.
#include "agent/backup/mariadb_logs.hpp"

namespace belay::agent::backups::mariadb {

backup::WatchReport watch_server(const BackupHost& host, const backup::Watch& watch, const std::string& option_file);

}  // namespace belay::agent::backups::mariadb
