#pragma once
// What every snapshot provider must do, tried over the fake, over what this machine can really do (btrfs and LVM on
// loop devices, copies, a program of the operator's own) and over LVM and ZFS as programs that behave like theirs. Each
// test gets a fresh stand.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/snapshots/providers.hpp"
#include "agent/snapshots/snapshot_provider.hpp"

namespace belay::agent::contract {

// A provider and the tree that it snapshots.
class Stand {
 public:
  virtual ~Stand() = default;
  virtual SnapshotProvider& provider() = 0;
  virtual std::vector<std::string> mounts() const = 0;
  virtual std::string foreign_mount() const { return "/proc"; }
  virtual void write(const std::string& file, const std::string& text) = 0;
  virtual std::optional<std::string> read(const std::string& file) = 0;
  virtual void erase(const std::string& file) = 0;
  virtual void reboot() {}
  virtual void delete_behind(const Snapshot& snapshot) = 0;
  virtual std::string carried_folder() const { return ""; }  // below the tree; empty where nothing is carried over
  virtual bool keeps_restored() const { return true; }       // a snapshot is still there once it was restored
};

// The stand, or why there is none here.
struct MadeStand {
  std::unique_ptr<Stand> stand;
  std::string why_not;
};
struct StandMaker {
  std::string name;
  MadeStand (*make)();
};

MadeStand make_fake_stand();
MadeStand make_copied_stand();
MadeStand make_command_stand();
MadeStand make_btrfs_top();      // the tree is the top of the file system
MadeStand make_btrfs_default();  // a subvolume that is the default one
MadeStand make_btrfs_named();    // a subvolume that fstab names: the flat layout
MadeStand make_lvm_classic();
MadeStand make_lvm_thin();
MadeStand make_simulated_lvm_classic();
MadeStand make_simulated_lvm_thin();
MadeStand make_simulated_zfs();

}  // namespace belay::agent::contract
