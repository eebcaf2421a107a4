#include "fleet_in_postgres.hpp"

#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace belay::bench {
namespace {

namespace fs = std::filesystem;

// A cluster in a folder of its own, on a socket in it; gone with the object.
class Cluster {
 public:
  Cluster() {
    std::string pattern = (fs::temp_directory_path() / "belay-bench-XXXXXX").string();
    const char* made = mkdtemp(pattern.data());
    if (!made) return;
    folder_ = made;
    // initdb refuses to work for root.
    if (geteuid() == 0 && std::system(("chown postgres " + folder_).c_str()) != 0) return;
    if (!as_postgres(bin() + "initdb -D " + folder_ + "/data -A trust -U bench --no-sync >" + folder_ + "/log 2>&1"))
      return;
    started_ = as_postgres(bin() + "pg_ctl -D " + folder_ + "/data -w -l " + folder_ +
                           "/log -o \"-c listen_addresses= -c fsync=off -c "
                           "unix_socket_directories=" +
                           folder_ +
                           " -c shared_buffers=512MB -c work_mem=256MB -c "
                           "max_parallel_workers_per_gather=0\" start >/dev/null 2>&1");
  }
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;
  ~Cluster() {
    if (started_ && !as_postgres(bin() + "pg_ctl -D " + folder_ + "/data -m immediate stop >/dev/null 2>&1"))
      std::puts("the PostgreSQL of this benchmark did not stop");
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }

  static std::string bin() { return "/usr/lib/postgresql/15/bin/"; }
  bool started() const { return started_; }
  const std::string& folder() const { return folder_; }

  // What psql prints for a script; nullopt where it fails.
  std::optional<std::string> run(const std::string& script) const {
    std::ofstream(folder_ + "/script.sql") << script;
    const std::string command =
        "psql -X -q -At -v ON_ERROR_STOP=1 -h " + folder_ + " -U bench -d postgres -f " + folder_ + "/script.sql";
    FILE* pipe = popen(command.c_str(), "r");
    if (!pipe) return std::nullopt;
    std::string output;
    std::array<char, 65536> buffer{};
    for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
      output.append(buffer.data(), got);
    return pclose(pipe) == 0 ? std::optional(output) : std::nullopt;
  }

 private:
  static bool as_postgres(const std::string& command) {
    const std::string whole = geteuid() == 0 ? "cd / && runuser -u postgres -- sh -c '" + command + "'" : command;
    return std::system(whole.c_str()) == 0;
  }
  std::string folder_;
  bool started_ = false;
};

std::string load_script(const MadeFleet& fleet, const std::vector<std::vector<bool>>& approved, std::uint32_t nodes) {
  std::string script =
      "create table node(id int primary key, baseline int);\n"
      "create table installed(node int, name int, rank int);\n"
      "create table patch(id int primary key, name int, rank int);\n"
      "create table approved(baseline int, patch int);\n"
      "copy node from stdin;\n";
  for (std::uint32_t node = 0; node < nodes; ++node)
    script += std::to_string(node) + "\t" + std::to_string(fleet.baseline_of_node()[node]) + "\n";
  script += "\\.\ncopy installed from stdin;\n";
  for (std::uint32_t node = 0; node < nodes; ++node)
    for (const auto& package : fleet.sets()[fleet.set_of_node()[node]])
      script += std::to_string(node) + "\t" + std::to_string(package.name) + "\t" + std::to_string(package.rank) + "\n";
  script += "\\.\ncopy patch from stdin;\n";
  for (std::uint32_t patch = 0; patch < fleet.size().patches; ++patch) {
    const auto& place = fleet.patch_places()[patch];
    script += std::to_string(patch) + "\t" + std::to_string(place.name) + "\t" + std::to_string(place.rank) + "\n";
  }
  script += "\\.\ncopy approved from stdin;\n";
  for (std::size_t one = 0; one < approved.size(); ++one)
    for (std::size_t patch = 0; patch < approved[one].size(); ++patch)
      if (approved[one][patch]) script += std::to_string(one) + "\t" + std::to_string(patch) + "\n";
  return script +
         "\\.\n"
         "create index on installed(node); create index on patch(name, rank, id);\n"
         "create unique index on approved(baseline, patch);\n"
         "analyze;\n";
}

// The backend's own CPU time in ticks, before and after; then a line a node.
constexpr std::string_view kJoin = R"(
select pg_backend_pid() as pid \gset
\setenv BACKEND :pid
\! awk '{print $14 + $15}' /proc/$BACKEND/stat
create temp table answer as
  select n.id, count(distinct i.name) as missing
    from node n join installed i on i.node = n.id
    join patch p on p.name = i.name and p.rank > i.rank
    join approved a on a.baseline = n.baseline and a.patch = p.id
   group by n.id;
\! awk '{print $14 + $15}' /proc/$BACKEND/stat
select coalesce(missing, 0) from node left join answer using (id) order by id;
)";

}  // namespace

std::optional<PostgresAnswer> missing_in_postgres(const MadeFleet& fleet,
                                                  const std::vector<std::vector<bool>>& approved, std::uint32_t nodes,
                                                  std::string& why_not) {
  if (!fs::exists(Cluster::bin() + "initdb")) return why_not = "PostgreSQL 15 is not installed", std::nullopt;
  const Cluster cluster;
  if (!cluster.started()) return why_not = "a private PostgreSQL did not start", std::nullopt;
  if (!cluster.run(load_script(fleet, approved, nodes)))
    return why_not = "the fleet could not be loaded into PostgreSQL", std::nullopt;
  const auto output = cluster.run(std::string(kJoin));
  if (!output) return why_not = "the join failed in PostgreSQL", std::nullopt;
  PostgresAnswer answer;
  const char* at = output->c_str();
  char* end = nullptr;
  const double before = std::strtod(at, &end);
  const double after = std::strtod(end, &end);
  answer.cpu_s = (after - before) / static_cast<double>(sysconf(_SC_CLK_TCK));
  for (std::uint32_t node = 0; node < nodes; ++node)
    answer.missing.push_back(static_cast<std::uint32_t>(std::strtoul(end, &end, 10)));
  return answer;
}

}  // namespace belay::bench
