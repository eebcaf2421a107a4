#include "agent/backup/restore_note.hpp"

#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

constexpr std::size_t kNoteBytesMax = 256 << 10;
constexpr std::string_view kService = "stopped for it: ", kSocket = "stopped with it: ";

std::string path_of(const BackupHost& host, const backup::Job& job) {
  return host.state_directory + "/restore-" + job.plan_id;
}

}  // namespace

Status write_restore_note(const BackupHost& host, const backup::Job& job, const RestoreNote& note) {
  auto lines = note.said;
  if (!note.unit.empty()) lines.push_back(std::string(kService) + note.unit);
  for (const auto& socket : note.sockets) lines.push_back(std::string(kSocket) + socket);
  return host.files.write_durable(path_of(host, job), join(lines, "\n"), 0600);
}

RestoreNote read_restore_note(const BackupHost& host, const backup::Job& job) {
  RestoreNote note;
  const auto text = host.files.read(path_of(host, job), kNoteBytesMax);
  if (!text.ok()) return note;
  for (const auto line : split(*text, '\n')) {
    if (line.starts_with(kService)) note.unit = std::string(line.substr(kService.size()));
    else if (line.starts_with(kSocket)) note.sockets.emplace_back(line.substr(kSocket.size()));
    else if (!line.empty()) note.said.emplace_back(line);
  }
  return note;
}

Status remove_restore_note(const BackupHost& host, const backup::Job& job) {
  return host.files.remove(path_of(host, job));
}

}  // namespace belay::agent::backups
