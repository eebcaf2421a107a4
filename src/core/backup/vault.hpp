#pragma once
// Where recovery points live. A vault holds one repository for each (plan, node): a node that is broken into can
// neither read nor spoil another's. What is secret about a vault (access keys, passwords, the key its repositories are
// encrypted with) is never here: the server seals it apart.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace belay::backup {

enum class VaultKind {
  local,      // a directory of the node's own disks
  mount,      // a directory on a mounted NAS (NFS, SMB, …): it must really be a mount
  sftp,       // ssh, with a pinned host key
  s3,         // S3 and what speaks it
  rest,       // restic's REST server
  removable,  // a drive told by its file system label, asked for when it is due
  tape,       // an LTFS mount, or a drive device that archives are written to
};
BOOST_DESCRIBE_ENUM(VaultKind, local, mount, sftp, s3, rest, removable, tape)

struct SftpPlace {
  std::string host, user;
  std::uint32_t port = 22;
  std::string path;                    // absolute, on the other side
  std::vector<std::string> host_keys;  // "ssh-ed25519 AAAA…": what the host must show; at least one
};
BOOST_DESCRIBE_STRUCT(SftpPlace, (), (host, user, port, path, host_keys))

struct S3Place {
  std::string endpoint;  // "https://…"; "" Amazon's of the region. Plain http is taken for loopback only
  std::string bucket, prefix, region;
  std::string storage_class;  // of data files; "" the bucket's default
  bool path_style = false;
  std::string ca_pem;  // of the endpoint, where it is not a public one
};
BOOST_DESCRIBE_STRUCT(S3Place, (), (endpoint, bucket, prefix, region, storage_class, path_style, ca_pem))

struct RestPlace {
  std::string url;  // user and password are secrets; plain http is taken for loopback only
  std::string ca_pem;
};
BOOST_DESCRIBE_STRUCT(RestPlace, (), (url, ca_pem))

struct RemovablePlace {
  std::vector<std::string> labels;  // of the drives that take turns
  std::string path;                 // below the drive's root, relative
  Duration asked_after{};           // a drive not seen for so long is asked for
};
BOOST_DESCRIBE_STRUCT(RemovablePlace, (), (labels, path, asked_after))

struct TapePlace {
  std::string device;  // "/dev/nst0"; "" with ltfs
  std::string ltfs;    // where an LTFS volume is mounted; "" with device
};
BOOST_DESCRIBE_STRUCT(TapePlace, (), (device, ltfs))

// Nothing shortens the life of a point in a locked vault: retention that would end earlier is held back.
enum class LockMode {
  governance,  // lifted by somebody with belay:UnlockVault, with a reason
  compliance,  // lifted by nobody before its end
};
BOOST_DESCRIBE_ENUM(LockMode, governance, compliance)
struct VaultLock {
  LockMode mode = LockMode::governance;
  std::uint32_t days_min = 0;  // a point lives at least so long
};
BOOST_DESCRIBE_STRUCT(VaultLock, (), (mode, days_min))

struct VaultSpec {
  std::string name, description;
  VaultKind kind = VaultKind::local;
  std::string path;      // local, mount: absolute
  std::string site;      // its failure domain ("dc1", "array-3"): copies in the same one count once
  bool offsite = false;  // another building than the nodes it serves
  std::optional<SftpPlace> sftp;
  std::optional<S3Place> s3;
  std::optional<RestPlace> rest;
  std::optional<RemovablePlace> removable;
  std::optional<TapePlace> tape;
  std::optional<VaultLock> lock;
  std::uint64_t bytes_a_second_max = 0;  // of transfers into and out of it; 0: no limit
  Duration rotate_within{};              // its secrets are handed in anew at least so often; 0: nobody asks
  std::optional<Instant> secrets_at;     // they were handed in; the server's to say, no member of the file
};
BOOST_DESCRIBE_STRUCT(VaultSpec, (),
                      (name, description, kind, path, site, offsite, sftp, s3, rest, removable, tape, lock,
                       bytes_a_second_max, rotate_within, secrets_at))

// Everything that is wrong with the file at once, each with its field and line. Reason "ValidationException". A member
// that looks like a secret (password, secretKey, …) is refused: secrets are handed in apart.
Result<VaultSpec> read_vault(std::string_view content);

// Which secrets this kind takes ("accessKey", "secretKey", "sshKey", "user", "password"), and which it cannot do
// without.
struct SecretNames {
  std::vector<std::string_view> known, needed;
};
SecretNames secrets_of(VaultKind kind);

// What is wrong with the age of its secrets; "" nothing, or nobody asks. When they end by themselves cannot be read out
// of them, so their age is all that is told.
std::string secrets_problem(const VaultSpec& vault, Instant now);

// The directory, prefix or path below the vault that the repository of one plan on one node has.
std::string repository_name(std::string_view plan_id, std::string_view node_id);

}  // namespace belay::backup
