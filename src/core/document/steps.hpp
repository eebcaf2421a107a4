#pragma once
// What a node is given to do: the steps of a document with every parameter in its place. Paths that do not begin with
// '/' (workingDirectory, destinationPath, a local document's) are within the run's own directory, which all its steps
// share and which goes with it; an empty workingDirectory is "/", an empty destination that directory.
#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.hpp"
#include "base/time.hpp"

namespace belay::document {

// Whether a path that does not begin with '/' climbs out of the folder that it is in.
bool leads_out(std::string_view path);

inline constexpr std::size_t kStepsMax = 200;  // of one expansion, those of inner documents with them

// A script for /bin/sh, or for what its first line names (#!); its exit code is that of its last command. 194: reboot,
// then run this step again. 168 and 169: leave the document, well or as a failure (run.hpp).
struct RunShellScript {
  static constexpr std::string_view kKind = "aws:runShellScript";
  std::vector<std::string> commands;  // lines
  std::string working_directory;
  Duration timeout{3'600'000};
  std::map<std::string, std::string> environment;
};
BOOST_DESCRIBE_STRUCT(RunShellScript, (), (commands, working_directory, timeout, environment))

// GitHub is how documents say it; a step has Git.
enum class Source { S3, HTTP, Git, GitHub, SSMDocument };
BOOST_DESCRIBE_ENUM(Source, S3, HTTP, Git, GitHub, SSMDocument)

struct DownloadContent {
  static constexpr std::string_view kKind = "aws:downloadContent";
  Source source = Source::HTTP;
  std::string location;                // the https address, the repository, or the document's name
  std::string sha256;                  // of what is fetched over HTTP; "" where the address is https and none was given
  std::string git_branch, git_commit;  // Git; at most one
  std::string path;                    // Git: the file or folder within; "" is all. SSMDocument: the file's name
  std::string content;                 // SSMDocument: what it says, sent along by the server
  std::string document_version;
  std::string destination;
};
BOOST_DESCRIBE_STRUCT(DownloadContent, (),
                      (source, location, sha256, git_branch, git_commit, path, content, document_version, destination))

// Begins the next `inner_steps` steps, which are the document's. A local document has none until the node has read it.
struct RunDocument {
  static constexpr std::string_view kKind = "aws:runDocument";
  std::string document, version;
  std::string local_path;  // a file on the node; "" where the document was resolved already
  json::Object parameters;
  std::uint32_t inner_steps = 0;
};
BOOST_DESCRIBE_STRUCT(RunDocument, (), (document, version, local_path, parameters, inner_steps))

struct SoftwareInventory {
  static constexpr std::string_view kKind = "aws:softwareInventory";
  std::map<std::string, std::string> gather;  // "applications": "Enabled", "files": "[{…}]"
};
BOOST_DESCRIBE_STRUCT(SoftwareInventory, (), (gather))

// Only our own agent. The server says of which file it is (GET /agent/v1/program/SHA256).
struct ConfigurePackage {
  static constexpr std::string_view kKind = "aws:configurePackage";
  std::string name, action, version;  // action "Install" or "Uninstall"; version "" is the server's own
  bool allow_downgrade = false;
  std::string sha256;
};
BOOST_DESCRIBE_STRUCT(ConfigurePackage, (), (name, action, version, allow_downgrade, sha256))

struct RefreshAssociation {
  static constexpr std::string_view kKind = "aws:refreshAssociation";
  std::vector<std::string> association_ids;  // empty: all
};
BOOST_DESCRIBE_STRUCT(RefreshAssociation, (), (association_ids))

// A scan or an install under the node's baseline, or of a change set.
struct Patch {
  static constexpr std::string_view kKind = "belay:patch";
  std::string operation = "Scan";  // "Scan" or "Install"
  std::string snapshot_id, install_override_list, baseline_override, change_set_id, association_id;
  std::string reboot_option = "RebootIfNeeded";  // or "NoReboot"
  bool leave_if_nothing_missing = false;         // a scan that finds nothing to install ends with kLeaveWithSuccess
};
BOOST_DESCRIBE_STRUCT(Patch, (),
                      (operation, snapshot_id, install_override_list, baseline_override, change_set_id, association_id,
                       reboot_option, leave_if_nothing_missing))

struct Reboot {
  static constexpr std::string_view kKind = "belay:reboot";
  std::string when = "IfNeeded";  // "Always", "IfNeeded", "Never"
};
BOOST_DESCRIBE_STRUCT(Reboot, (), (when))

using Work = std::variant<RunShellScript, DownloadContent, RunDocument, SoftwareInventory, ConfigurePackage,
                          RefreshAssociation, Patch, Reboot>;

enum class OnFailure { proceed, exit, success_and_exit };
BOOST_DESCRIBE_ENUM(OnFailure, proceed, exit, success_and_exit)

struct Step {
  std::string name;    // "outer/inner" within an inner document
  std::string action;  // the plugin's name; where `skip` is said, `work` says nothing
  Work work;
  std::string skip;  // why it is not to be run here; "" where it is
  OnFailure on_failure = OnFailure::proceed;
  bool exit_on_success = false;
  bool finally = false;  // run whatever became of the steps before it
};
BOOST_DESCRIBE_STRUCT(Step, (), (name, action, work, skip, on_failure, exit_on_success, finally))

// How many steps follow that belong to this one.
std::size_t inner_steps_of(const Step& step);

}  // namespace belay::document
