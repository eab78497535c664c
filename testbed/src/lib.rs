//! Real Kubernetes and a simulated Lightsail on one machine, for `make demo`, the tests and the
//! benchmarks.
//!
//! ```text
//! testbed run -- COMMAND
//!   ├─ control_plane   etcd, kube-apiserver, kube-controller-manager as child processes
//!   ├─ cluster         what a test below COMMAND has of it: clients, namespaces, kubectl
//!   ├─ fake_node       kube-scheduler and kwok: pods that run nothing
//!   ├─ helm            the chart, rendered and installed
//!   ├─ operator        the operator's binary as a child process, under a ServiceAccount
//!   ├─ api_proxy       between the operator and the API server: holds chosen requests
//!   └─ simulator       Lightsail and the part of STS that is needed, on loopback
//! ```
//!
//! This crate is never shipped, and the operator does not know it.

pub mod api_proxy;
mod certificates;
mod child;
pub mod cluster;
pub mod control_plane;
pub mod dice;
pub mod fake_node;
pub mod helm;
mod kubeconfig;
pub mod operator;
mod private_file;
pub mod process;
mod silent_connections;
pub mod simulator;
