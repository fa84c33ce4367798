// Validates the objects on stdin by the schemas of their operators; exits with 2 at the first that is wrong.
const path = require("path");
const packages = {
  "keda.sh": "keda",
  "monitoring.coreos.com": "prometheus-operator",
  "gateway.networking.k8s.io": "gateway-api",
};
for (const object of JSON.parse(require("fs").readFileSync(0, "utf8"))) {
  const [group, version] = object.apiVersion.split("/");
  // By file: not every package exports its groups.
  const folder = path.join(__dirname, "node_modules/@kubernetes-models", packages[group]);
  const Model = require(path.join(folder, group, version))[object.kind];
  try {
    new Model(object).validate();
  } catch (error) {
    console.error(`${object.kind}: ${error.message}`);
    process.exit(2);
  }
}
